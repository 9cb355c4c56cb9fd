import type { Router } from '@koa/router';
import type { DefaultContext, Middleware as KoaMiddleware, ParameterizedContext } from 'koa';
import type { Access, Identity } from '../access/access.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { LocalDestination } from '../publish/destination/local-destination.ts';
import { actorOf } from './identify.ts';

/** The state of a request. */
export interface RequestState {
  requestId: string;
  /** The sender; undefined if anonymous, and before the surface has identified it. */
  identity?: Identity;
}

/** A request and its response. */
export type Context = ParameterizedContext<RequestState>;
/** A request to a route whose path has parameters. */
export type RouteContext = Context & { params: Record<string, string | undefined> };
/** The router of a surface. */
export type Routes = Router<RequestState>;
export type Middleware = KoaMiddleware<RequestState, DefaultContext>;

/** The sender of a request. */
export function identityOf(context: Context): Identity {
  return context.state.identity;
}

/** A part of the path, decoded. */
export function parameter(context: RouteContext, name: string): string {
  return context.params[name] ?? '';
}

/** The catalog, with the client of this request as the author of changes, and with its rights. */
export function catalogFor(
  context: Context,
  { access, catalog }: { access: Access; catalog: Catalog },
): Catalog {
  return catalog.by(actorOf(access, identityOf(context), context.req));
}

/** The destination of publishes of this request, with the client's name in the audit log. */
export function destinationFor(
  context: Context,
  { access, destination }: { access: Access; destination: LocalDestination },
): LocalDestination {
  return destination.by(actorOf(access, identityOf(context), context.req));
}
