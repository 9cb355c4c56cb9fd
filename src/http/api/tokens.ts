import type { Router } from '@koa/router';
import { parseStream } from '../../catalog/names.ts';
import { readBody } from './body.ts';
import { type ApiParts, identityOf, parameter } from './parts.ts';
import { tokenBody } from './schemas.ts';

/** Making, listing and revoking tokens; for `admin` only. */
export function tokenRoutes(router: Router, { catalog, access }: ApiParts): void {
  router.get('/tokens', async (context) => {
    access.demand(identityOf(context), 'admin');
    context.body = { tokens: await catalog.tokens.list() };
  });

  router.post('/tokens', async (context) => {
    access.demand(identityOf(context), 'admin');
    const { streams, expiresAt, ...body } = await readBody(context.req, tokenBody);
    context.status = 201;
    context.body = await catalog.tokens.create({
      ...body,
      ...(streams === undefined ? {} : { streams: streams.map(parseStream) }),
      ...(expiresAt === undefined ? {} : { expiresAt: new Date(expiresAt) }),
    });
  });

  router.delete('/tokens/:token', async (context) => {
    access.demand(identityOf(context), 'admin');
    await catalog.tokens.revoke(parameter(context, 'token'));
    context.status = 204;
  });
}
