import type { BlobStore } from '../blobs/blob-store.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { LocalDestination } from '../publish/destination/local-destination.ts';

/** What mirrors work with. */
export interface MirrorServices {
  catalog: Catalog;
  store: BlobStore;
  destination: LocalDestination;
  /** The data directory, for partial downloads. */
  dataDir: string;
}
