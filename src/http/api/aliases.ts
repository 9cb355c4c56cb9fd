import type { Router } from '@koa/router';
import { parseAlias, parseNamePart } from '../../catalog/names.ts';
import { HeadwaterError } from '../../errors.ts';
import { readBody } from './body.ts';
import { type ApiParts, catalogFor, identityOf, parameter } from './parts.ts';
import { aliasBody } from './schemas.ts';

/** Reading and moving aliases. */
export function aliasRoutes(router: Router, parts: ApiParts): void {
  const { catalog, access, published } = parts;

  router.get('/aliases', async (context) => {
    const identity = identityOf(context);
    const aliases = await catalog.aliases.list();
    context.body = {
      aliases: aliases.filter(({ name, streams }) =>
        streams.every((stream) => access.mayRead(identity, stream, { aliases: [name] })),
      ),
    };
  });

  router.put('/aliases/:alias', async (context) => {
    const identity = identityOf(context);
    access.demandAny(identity, 'publish');
    const name = parseAlias(parameter(context, 'alias'));
    const given = await readBody(context.req, aliasBody);
    const family = {
      os: parseNamePart('os', given.os),
      release: parseNamePart('release', given.release),
      variant: parseNamePart('variant', given.variant),
    };
    const current = await catalog.aliases.find(name);
    const target = await catalog.products.ofFamily(family);
    for (const stream of [...target.map((product) => product.stream), ...(current?.streams ?? [])]) {
      access.demand(identity, 'publish', stream, { aliases: [name] });
    }
    await catalogFor(context, parts).aliases.set(name, family);
    await published();
    context.status = 204;
  });

  router.delete('/aliases/:alias', async (context) => {
    const identity = identityOf(context);
    access.demandAny(identity, 'publish');
    const name = parseAlias(parameter(context, 'alias'));
    const current = await catalog.aliases.find(name);
    if (current === undefined) throw new HeadwaterError('not-found', `there is no alias ${name}`);
    for (const stream of current.streams) access.demand(identity, 'publish', stream, { aliases: [name] });
    await catalogFor(context, parts).aliases.unset(name);
    await published();
    context.status = 204;
  });
}
