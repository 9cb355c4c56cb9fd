import { Router } from '@koa/router';
import { HeadwaterError } from '../../errors.ts';
import { VisibleImages } from '../../registry/visible-images.ts';
import type { Middleware, RequestState } from '../context.ts';
import type { ErrorSinks } from '../errors.ts';
import { identify } from '../identify.ts';
import { pathSegments } from '../request-path.ts';
import { aliasRoutes } from './alias-routes.ts';
import { certificateRoutes } from './certificates.ts';
import { registryErrors } from './errors.ts';
import { imageRoutes } from './image-routes.ts';
import { operationRoutes } from './operation-routes.ts';
import { serverRoutes } from './server-information.ts';
import type { RegistryServices } from './services.ts';

/** An authenticated client may send its upload to the end before it gets the reason of a refusal. */
const drainTimeout = 3_600_000;

/**
 * The part of the LXD API that concerns images, for `lxc` and `incus`, at `/` and under `/1.0`. Everything else is
 * passed on.
 */
export function createRegistry(services: RegistryServices, sinks: ErrorSinks): Middleware {
  const router = new Router<RequestState>({ strict: true, sensitive: true });
  serverRoutes(router, services);
  certificateRoutes(router, services);
  operationRoutes(router, services);
  const images = new VisibleImages(services);
  aliasRoutes(router, { ...services, images });
  imageRoutes(router, { ...services, images });
  const routes = router.routes();
  const errors = registryErrors(sinks, {
    bytes: services.uploadLimit,
    milliseconds: drainTimeout,
  });
  return async (context, next) => {
    const isOurs = context.path === '/' || /^\/1\.0(\/|$)/.test(context.path);
    if (!isOurs) {
      await next();
      return;
    }
    await errors(context, async () => {
      context.set('Cache-Control', 'no-store');
      const segments = pathSegments(context.req.url ?? '');
      if (segments === undefined || segments.some((segment) => /[\u0000-\u001f\u007f]/.test(segment))) {
        throw new HeadwaterError(
          'invalid',
          'the path cannot be read: it is badly encoded, or has control characters',
        );
      }
      context.state.identity = await identify(services.access, context.req);
      // The router expects the members that it sets itself.
      await routes(Object.assign(context, { params: {}, router }), () => Promise.resolve());
    });
  };
}
