import type { Context, RouteContext, Routes } from '../context.ts';
import { catalogFor, identityOf, parameter } from '../context.ts';
import type { ApiServices } from './services.ts';

/** Listing and revoking the clients that are trusted by their certificates; for `admin` only. */
export function clientRoutes(router: Routes, services: ApiServices): void {
  router.get('/clients', (context) => listClients(context, services));
  router.delete('/clients/:client', (context) => revokeClient(context, services));
}

async function listClients(context: Context, { access, catalog }: ApiServices): Promise<void> {
  access.demandAdministrator(identityOf(context));
  context.body = { clients: await catalog.clients.list() };
}

async function revokeClient(context: RouteContext, services: ApiServices): Promise<void> {
  services.access.demandAdministrator(identityOf(context));
  await catalogFor(context, services).clients.revoke(parameter(context, 'client'));
  context.status = 204;
}
