import { Router } from '@koa/router';
import type { Context, RequestState, Routes } from '../context.ts';
import { identify } from '../identify.ts';
import { aliasRoutes } from './aliases.ts';
import { auditRoutes } from './audit.ts';
import { blobRoutes } from './blobs.ts';
import { clientRoutes } from './clients.ts';
import { mirrorRoutes } from './mirrors.ts';
import { describeApi } from './openapi/openapi.ts';
import { productRoutes } from './products.ts';
import type { ApiServices } from './services.ts';
import { bundleRoutes } from './site-bundles.ts';
import { storageRoutes } from './storage.ts';
import { tokenRoutes } from './tokens.ts';
import { versionRoutes } from './versions.ts';

/** The routes under `/api/v1`; `openapi.ts` describes them. */
export function createApi(services: ApiServices): Routes {
  const router = new Router<RequestState>({ prefix: '/api/v1', strict: true, sensitive: true });
  router.use(async (context, next) => {
    context.state.identity = await identify(services.access, context.req);
    context.set('Cache-Control', 'no-store');
    await next();
  });
  router.get('/openapi.json', getDescription);
  productRoutes(router, services);
  blobRoutes(router, services);
  versionRoutes(router, services);
  aliasRoutes(router, services);
  mirrorRoutes(router, services);
  tokenRoutes(router, services);
  clientRoutes(router, services);
  auditRoutes(router, services);
  storageRoutes(router, services);
  bundleRoutes(router, services);
  return router;
}

function getDescription(context: Context): void {
  context.body = describeApi();
}
