import { Router } from '@koa/router';
import { identify } from '../identify.ts';
import { aliasRoutes } from './aliases.ts';
import { auditRoutes } from './audit.ts';
import { blobRoutes } from './blobs.ts';
import { clientRoutes } from './clients.ts';
import { mirrorRoutes } from './mirrors.ts';
import { describeApi } from './openapi.ts';
import { productRoutes } from './products.ts';
import type { ApiParts } from './services.ts';
import { storageRoutes } from './storage.ts';
import { tokenRoutes } from './tokens.ts';
import { versionRoutes } from './versions.ts';

/** The routes under `/api/v1`; `openapi.ts` describes them. */
export function createApi(parts: ApiParts): Router {
  const router = new Router({ prefix: '/api/v1', strict: true, sensitive: true });
  router.use(async (context, next) => {
    context.state['identity'] = await identify(parts.access, context.req);
    context.set('Cache-Control', 'no-store');
    await next();
  });
  router.get('/openapi.json', (context) => {
    context.body = describeApi();
  });
  productRoutes(router, parts);
  blobRoutes(router, parts);
  versionRoutes(router, parts);
  aliasRoutes(router, parts);
  mirrorRoutes(router, parts);
  tokenRoutes(router, parts);
  clientRoutes(router, parts);
  auditRoutes(router, parts);
  storageRoutes(router, parts);
  return router;
}
