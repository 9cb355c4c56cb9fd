import { type Context, identityOf, type Routes } from '../context.ts';
import type { ApiServices } from './services.ts';

/** The state of the blob store, and scrubs on request; for `admin` only. */
export function storageRoutes(router: Routes, services: ApiServices): void {
  router.get('/storage', (context) => getStorage(context, services));
  router.get('/storage/scrub', (context) => getScrub(context, services));
  router.post('/storage/scrub', (context) => startScrub(context, services));
}

async function getStorage(context: Context, { access, storeReport }: ApiServices): Promise<void> {
  access.demandAdministrator(identityOf(context));
  context.body = await storeReport();
}

async function getScrub(context: Context, { access, scrub }: ApiServices): Promise<void> {
  access.demandAdministrator(identityOf(context));
  context.body = await scrub.report();
}

async function startScrub(context: Context, { access, scrub }: ApiServices): Promise<void> {
  access.demandAdministrator(identityOf(context));
  const round = await scrub.begin();
  context.status = 202;
  context.body = { ...(await scrub.report()), round };
}
