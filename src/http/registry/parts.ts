import type { Context } from 'koa';
import type { BlobStore } from '../../blobs/blob-store.ts';
import type { Catalog } from '../../catalog/catalog.ts';
import type { LocalDestination } from '../../publish/local-destination.ts';
import { type Access, actorOf, type Identity } from '../access.ts';
import type { Operations } from './operations.ts';
import type { ServerInformation } from './server-information.ts';

/** What the routes of the registry act on. */
export interface RegistryParts {
  catalog: Catalog;
  store: BlobStore;
  destination: LocalDestination;
  access: Access;
  operations: Operations;
  information: ServerInformation;
  /** Bytes of one uploaded blob. */
  uploadLimit: number;
  /** Resolves when what was just committed shows in the documents. */
  published: () => Promise<void>;
}

/** Who a request comes from. */
export function identityOf(context: Context): Identity {
  return context.state['identity'] as Identity;
}

/** The catalog, in whose audit log the client makes the changes. */
export function catalogFor(context: Context, { catalog }: RegistryParts): Catalog {
  return catalog.by(actorOf(identityOf(context), context.req));
}
