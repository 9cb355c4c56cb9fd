import { Router } from '@koa/router';
import type { Access } from '../../access/access.ts';
import { HeadwaterError } from '../../errors.ts';
import type { BearerTokens } from '../../oci/bearer-tokens.ts';
import { isRepositoryName } from '../../oci/names.ts';
import type { PendingBlobs } from '../../oci/push/pending-blobs.ts';
import type { Context, Middleware, RequestState } from '../context.ts';
import type { ErrorSinks } from '../errors.ts';
import { actorOf } from '../identify.ts';
import { pathSegments } from '../request-path.ts';
import { challengeOf, coversAction, type Sender, senderOfRequest, tokenAddress } from './authentication.ts';
import { errorsOfRegistry } from './errors.ts';
import { type PullServices, pullRoutes } from './pull.ts';
import { type PushServices, pushRoutes } from './push.ts';
import { tokenRoutes } from './token.ts';

/** The services of the OCI surface. */
export interface OciServices
  extends Omit<PullServices, 'senderOf'>,
    Omit<PushServices, 'pusherOf' | 'pending'> {
  access: Access;
  bearers: BearerTokens;
  pending: PendingBlobs;
  /** The address of the server for clients, if it is configured. */
  publicUrl: string | undefined;
}

/**
 * The OCI registry under `/v2`, for skopeo, podman, docker, containerd and others (Distribution Specification 1.1).
 * Everything else is passed on.
 */
export function createOciRegistry(services: OciServices, sinks: ErrorSinks): Middleware {
  const router = new Router<RequestState>({ strict: true, sensitive: true });
  const senders = new WeakMap<Context, Sender>();
  const senderOf = (context: Context): Sender => senders.get(context) ?? anonymous;
  router.get('/v2/', (context) => {
    // Clients ask here how to authenticate, for private repositories, too.
    if (!senderOf(context).hasCredentials) throw new HeadwaterError('unauthorized', 'a token is needed');
    context.body = {};
  });
  tokenRoutes(router, services);
  pullRoutes(router, { ...services, senderOf });
  pushRoutes(router, {
    ...services,
    pusherOf: (context, repository) => {
      const sender = senderOf(context);
      const { identity } = sender;
      if (identity === undefined || !coversAction(sender, repository, 'push')) {
        throw new HeadwaterError('unauthorized', 'a token that allows "publish" is needed');
      }
      return { identity, actor: actorOf(services.access, identity, context.req) };
    },
  });
  const routes = router.routes();
  const otherMethods = router.allowedMethods();
  const errors = errorsOfRegistry(sinks, (context) => {
    const [, name] = /^\/v2\/(.+)\/(?:tags|manifests|blobs|referrers)\//.exec(context.path) ?? [];
    const isRead = context.method === 'GET' || context.method === 'HEAD';
    const actions = isRead ? 'pull' : 'pull,push';
    const scope = name === undefined || !isRepositoryName(name) ? undefined : `repository:${name}:${actions}`;
    return challengeOf(tokenAddress(context, services.publicUrl), scope);
  });
  return async (context, next) => {
    if (!/^\/v2(\/|$)/.test(context.path)) {
      await next();
      return;
    }
    context.set('Docker-Distribution-API-Version', 'registry/2.0');
    await errors(context, async () => {
      if (pathSegments(context.req.url ?? '') === undefined) {
        throw new HeadwaterError('invalid', 'the path cannot be read: it is badly encoded');
      }
      // The token endpoint has credentials of its own.
      if (context.path !== '/v2/token') senders.set(context, await senderOfRequest(context, services));
      await routes(context as Parameters<typeof routes>[0], () =>
        otherMethods(context as Parameters<typeof otherMethods>[0], () => Promise.resolve()),
      );
    });
  };
}

const anonymous: Sender = { identity: undefined, hasCredentials: false };
