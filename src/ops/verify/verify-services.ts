import type { BlobStore } from '../../blobs/blob-store.ts';
import type { Catalog } from '../../catalog/catalog.ts';
import type { Intake } from '../../publish/intake/intake.ts';

/** What a check of everything that is held works with. */
export interface VerifyServices {
  catalog: Catalog;
  store: BlobStore;
  intake: Pick<Intake, 'hash'>;
}
