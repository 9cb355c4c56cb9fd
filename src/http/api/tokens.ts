import { defined } from '../../model/defined.ts';
import { parseStream } from '../../model/names.ts';
import { grant } from '../../model/rights.ts';
import { catalogFor, identityOf, parameter, type Routes } from '../context.ts';
import { readBody } from './body.ts';
import { single } from './query.ts';
import { tokenBody } from './schemas.ts';
import type { ApiServices } from './services.ts';

/** Making, listing and revoking tokens; for `admin` only. */
export function tokenRoutes(router: Routes, services: ApiServices): void {
  const { access, catalog, configuredStreams: configured, joinToken, pushedTo } = services;

  router.get('/tokens', async (context) => {
    access.demandAdministrator(identityOf(context));
    context.body = { tokens: await catalog.tokens.list({ all: single(context, 'all') === 'true' }) };
  });

  router.post('/tokens', async (context) => {
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
      const named = (request.streams ?? []).map(parseStream);
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
  });

  router.delete('/tokens/:token', async (context) => {
    access.demandAdministrator(identityOf(context));
    await catalogFor(context, services).tokens.revoke(parameter(context, 'token'));
    context.status = 204;
  });
}
