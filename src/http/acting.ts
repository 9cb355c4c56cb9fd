import type { Context } from 'koa';
import type { Catalog } from '../catalog/catalog.ts';
import type { LocalDestination } from '../publish/local-destination.ts';
import { actorOf, type Identity } from './access.ts';

/** Who a request comes from. */
export function identityOf(context: Context): Identity {
  return context.state['identity'] as Identity;
}

/** The catalog, in whose audit log the client of this request makes the changes. */
export function catalogFor(context: Context, { catalog }: { catalog: Catalog }): Catalog {
  return catalog.by(actorOf(identityOf(context), context.req));
}

/** Where the client of this request publishes, with its name in the audit log. */
export function destinationFor(
  context: Context,
  { destination }: { destination: LocalDestination },
): LocalDestination {
  return destination.by(actorOf(identityOf(context), context.req));
}
