import type { Router } from '@koa/router';
import type { DefaultContext, Middleware as KoaMiddleware, ParameterizedContext } from 'koa';
import type { Access, Identity } from '../access/access.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { LocalDestination } from '../publish/destination/local-destination.ts';
import { actorOf } from './identify.ts';

/** What is known of a request beside itself. */
export interface RequestState {
  requestId: string;
  /** The sender; undefined if anonymous, and before the surface has identified it. */
  identity?: Identity;
}

/** A request and its response. */
export type Context = ParameterizedContext<RequestState>;
/** A request to a route whose path has parameters. */
export type RouteContext = Context & { params: Record<string, string | undefined> };
/** Where a surface puts its routes. */
export type Routes = Router<RequestState>;
export type Middleware = KoaMiddleware<RequestState, DefaultContext>;

/** Who a request comes from. */
export function identityOf(context: Context): Identity {
  return context.state.identity;
}

/** A part of the path, decoded. */
export function parameter(context: RouteContext, name: string): string {
  return context.params[name] ?? '';
}

/** The catalog, in whose audit log the client of this request makes the changes, as far as it may. */
export function catalogFor(
  context: Context,
  { access, catalog }: { access: Access; catalog: Catalog },
): Catalog {
  return catalog.by(actorOf(access, identityOf(context), context.req));
}

/** Where the client of this request publishes, with its name in the audit log. */
export function destinationFor(
  context: Context,
  { access, destination }: { access: Access; destination: LocalDestination },
): LocalDestination {
  return destination.by(actorOf(access, identityOf(context), context.req));
}
