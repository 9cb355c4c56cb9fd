import type { Router } from '@koa/router';
import { type ApiParts, catalogFor, identityOf, parameter } from './services.ts';

/** Listing and revoking the clients that are trusted by their certificates; for `admin` only. */
export function clientRoutes(router: Router, parts: ApiParts): void {
  const { access, catalog } = parts;

  router.get('/clients', async (context) => {
    access.demandAdministrator(identityOf(context));
    context.body = { clients: await catalog.clients.list() };
  });

  router.delete('/clients/:client', async (context) => {
    access.demandAdministrator(identityOf(context));
    await catalogFor(context, parts).clients.revoke(parameter(context, 'client'));
    context.status = 204;
  });
}
