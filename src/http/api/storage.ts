import { type Context, identityOf, type Routes } from '../context.ts';
import type { ApiServices } from './services.ts';

/** The state of the blob store; for `admin` only. */
export function storageRoutes(router: Routes, services: ApiServices): void {
  router.get('/storage', (context) => getStorage(context, services));
}

async function getStorage(context: Context, { access, storeReport }: ApiServices): Promise<void> {
  access.demandAdministrator(identityOf(context));
  context.body = await storeReport();
}
