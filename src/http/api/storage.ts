import { identityOf, type Routes } from '../context.ts';
import type { ApiServices } from './services.ts';

/** The state of the blob store; for `admin` only. */
export function storageRoutes(router: Routes, { access, storeReport }: ApiServices): void {
  router.get('/storage', async (context) => {
    access.demandAdministrator(identityOf(context));
    context.body = await storeReport();
  });
}
