import { checkField } from '../../errors.ts';
import { defined } from '../../model/defined.ts';
import { parseStream } from '../../model/names.ts';
import { grant } from '../../model/rights.ts';
import type { Context, RouteContext, Routes } from '../context.ts';
import { catalogFor, identityOf, parameter } from '../context.ts';
import { readBody } from './body.ts';
import { single } from './query.ts';
import { tokenBody } from './schemas.ts';
import type { ApiServices } from './services.ts';

/** Making, listing and revoking tokens; for `admin` only. */
export function tokenRoutes(router: Routes, services: ApiServices): void {
  router.get('/tokens', (context) => listTokens(context, services));
  router.post('/tokens', (context) => createToken(context, services));
  router.delete('/tokens/:token', (context) => revokeToken(context, services));
}

async function listTokens(context: Context, { access, catalog }: ApiServices): Promise<void> {
  access.demandAdministrator(identityOf(context));
  context.body = { tokens: await catalog.tokens.list({ all: single(context, 'all') === 'true' }) };
}

async function createToken(context: Context, services: ApiServices): Promise<void> {
  const { access, catalog, configuredStreams: configured, joinToken, pushedTo } = services;
  access.demandAdministrator(identityOf(context));
  const {
    name,
    purpose,
    expiresAt: expiry,
    createStream,
    ...request
  } = await readBody(context.req, tokenBody);
  const expiresAt = expiry === undefined ? undefined : new Date(expiry);
  if (createStream !== true) {
    const { streams = [] } = request;
    const named = checkField('streams', () => streams.map(parseStream));
    await catalog.streams.demand(named, { configured, mayName: true });
  }
  // Before anything is made: it may not be possible here.
  if (purpose === 'join') joinToken({ name }, '');
  const { token, secret } = await catalogFor(context, services).tokens.create({
    name,
    purpose,
    ...grant(purpose, request, { pushedTo }),
    ...defined({ expiresAt }),
  });
  context.status = 201;
  context.body = { token, secret: purpose === 'join' ? joinToken(token, secret) : secret };
}

async function revokeToken(context: RouteContext, services: ApiServices): Promise<void> {
  services.access.demandAdministrator(identityOf(context));
  await catalogFor(context, services).tokens.revoke(parameter(context, 'token'));
  context.status = 204;
}
