import type { Router } from '@koa/router';
import { type ApiParts, identityOf } from './services.ts';

/** The state of the blob store; for `admin` only. */
export function storageRoutes(router: Router, { access, storeReport }: ApiParts): void {
  router.get('/storage', async (context) => {
    access.demandAdministrator(identityOf(context));
    context.body = await storeReport();
  });
}
