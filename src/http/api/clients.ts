import { catalogFor, identityOf, parameter, type Routes } from '../context.ts';
import type { ApiServices } from './services.ts';

/** Listing and revoking the clients that are trusted by their certificates; for `admin` only. */
export function clientRoutes(router: Routes, services: ApiServices): void {
  const { access, catalog } = services;

  router.get('/clients', async (context) => {
    access.demandAdministrator(identityOf(context));
    context.body = { clients: await catalog.clients.list() };
  });

  router.delete('/clients/:client', async (context) => {
    access.demandAdministrator(identityOf(context));
    await catalogFor(context, services).clients.revoke(parameter(context, 'client'));
    context.status = 204;
  });
}
