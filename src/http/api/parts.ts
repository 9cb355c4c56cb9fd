import type { Context } from 'koa';
import type { BlobStore } from '../../blobs/blob-store.ts';
import type { Catalog } from '../../catalog/catalog.ts';
import type { MirrorService } from '../../mirror/service.ts';
import type { LocalDestination } from '../../publish/local-destination.ts';
import type { Access, Identity } from '../access.ts';
import type { Uploads } from './uploads.ts';

/** What the routes of the API act on. */
export interface ApiParts {
  catalog: Catalog;
  store: BlobStore;
  destination: LocalDestination;
  uploads: Uploads;
  mirrors: MirrorService;
  access: Access;
  /** Resolves when what was just committed shows in the documents. */
  published: () => Promise<void>;
}

/** Who a request comes from. */
export function identityOf(context: Context): Identity {
  return context.state['identity'] as Identity;
}

/** A part of the path, decoded. */
export function parameter(context: { params: Record<string, string | undefined> }, name: string): string {
  return context.params[name] ?? '';
}
