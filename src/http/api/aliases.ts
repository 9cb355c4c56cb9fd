import { mayReadProduct } from '../../access/readable.ts';
import { describeFamily } from '../../catalog/products/alias-rows.ts';
import { HeadwaterError } from '../../errors.ts';
import { parseAlias, parseNamePart } from '../../model/names.ts';
import { catalogFor, identityOf, parameter, type Routes } from '../context.ts';
import { readBody } from './body.ts';
import { aliasBody } from './schemas.ts';
import type { ApiServices } from './services.ts';

/** Reading and moving aliases. */
export function aliasRoutes(router: Routes, services: ApiServices): void {
  const { catalog, access } = services;

  router.get('/aliases', async (context) => {
    const identity = identityOf(context);
    const shown = new Set((await catalog.aliases.list({ shown: true })).map(({ name }) => name));
    const aliases = (await catalog.aliases.list()).filter(({ name, streams }) =>
      streams.every((stream) => {
        const target = { stream, names: [name] };
        return access.may(identity, 'read', target) || (shown.has(name) && access.isPublic(stream));
      }),
    );
    context.body = { aliases };
  });

  router.put('/aliases/*alias', async (context) => {
    const identity = identityOf(context);
    access.demandAny(identity, 'publish');
    const name = parseAlias(parameter(context, 'alias'));
    const given = await readBody(context.req, aliasBody);
    const family = {
      os: parseNamePart('os', given.os),
      release: parseNamePart('release', given.release),
      variant: parseNamePart('variant', given.variant),
    };
    for (const product of await catalog.products.ofFamily(family)) {
      if (mayReadProduct(access, identity, product)) continue;
      throw new HeadwaterError('not-found', `there is no product ${describeFamily(family)}`);
    }
    await catalogFor(context, services).aliases.set(name, family);
    context.status = 204;
  });

  router.delete('/aliases/*alias', async (context) => {
    const identity = identityOf(context);
    access.demandAny(identity, 'publish');
    const name = parseAlias(parameter(context, 'alias'));
    await catalogFor(context, services).aliases.unset(name);
    context.status = 204;
  });
}
