import type { BlobStore } from '../../blobs/blob-store.ts';
import type { Catalog } from '../../catalog/catalog.ts';
import type { Intake } from '../../publish/intake/intake.ts';

/** The services that a check of stored blobs needs. */
export interface VerifyServices {
  catalog: Catalog;
  store: BlobStore;
  intake: Pick<Intake, 'hash'>;
}
