import type { Context } from 'koa';
import type { Access, Identity } from '../access/access.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { LocalDestination } from '../publish/destination/local-destination.ts';
import { actorOf } from './identify.ts';

/** Who a request comes from. */
export function identityOf(context: Context): Identity {
  return context.state['identity'] as Identity;
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
