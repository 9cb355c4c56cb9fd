import type { Alias } from '../../catalog/products/aliases.ts';
import { checkField } from '../../errors.ts';
import { defined } from '../../model/defined.ts';
import { inStream, parseAlias, parseNamePart, parseStream } from '../../model/names.ts';
import type { Context, RouteContext, Routes } from '../context.ts';
import { catalogFor, identityOf, parameter } from '../context.ts';
import { readBody } from './body.ts';
import { single } from './query.ts';
import { aliasBody } from './schemas.ts';
import type { ApiServices } from './services.ts';

/** Reading and moving aliases. */
export function aliasRoutes(router: Routes, services: ApiServices): void {
  router.get('/aliases', (context) => listAliases(context, services));
  router.put('/aliases/*alias', (context) => putAlias(context, services));
  router.delete('/aliases/*alias', (context) => removeAlias(context, services));
}

/** Those of public streams that documents show, and those that the client may read. */
async function listAliases(context: Context, { catalog, access }: ApiServices): Promise<void> {
  const identity = identityOf(context);
  const keyOf = ({ stream, name }: Alias) => inStream(stream, name);
  const shown = new Set((await catalog.aliases.list({ shown: true })).map(keyOf));
  const aliases = (await catalog.aliases.list()).filter((alias) => {
    const { stream, name } = alias;
    const mayRead = access.may(identity, 'read', { stream, names: [name] });
    return mayRead || (shown.has(keyOf(alias)) && access.isPublic(stream));
  });
  context.body = { aliases };
}

async function putAlias(context: RouteContext, services: ApiServices): Promise<void> {
  services.access.demandAny(identityOf(context), 'publish');
  const name = parseAlias(parameter(context, 'alias'));
  const given = await readBody(context.req, aliasBody);
  const part = (field: 'os' | 'release' | 'variant') =>
    checkField(field, () => parseNamePart(field, given[field]));
  const family = { os: part('os'), release: part('release'), variant: part('variant') };
  const { stream } = given;
  const reference = {
    ...family,
    ...defined({ stream: stream && checkField('stream', () => parseStream(stream)) }),
  };
  await catalogFor(context, services).aliases.set(name, reference);
  context.status = 204;
}

async function removeAlias(context: RouteContext, services: ApiServices): Promise<void> {
  services.access.demandAny(identityOf(context), 'publish');
  const name = parseAlias(parameter(context, 'alias'));
  await catalogFor(context, services).aliases.unset(name, single(context, 'stream'));
  context.status = 204;
}
