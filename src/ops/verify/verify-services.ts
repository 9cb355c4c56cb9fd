import type { BlobStore } from '../../blobs/blob-store.ts';
import type { Catalog } from '../../catalog/catalog.ts';
import type { Intake } from '../../publish/intake/intake.ts';

/** The services that a check of stored blobs needs. */
export interface VerifyServices {
  catalog: Catalog;
  store: BlobStore;
  intake: Pick<Intake, 'hash'>;
}

/** How blobs are read. */
export interface Reading {
  /** Receives the number of bytes of the blob that are read. */
  onBytes?: (done: number) => void;
  /** Waits before more bytes are read, after so many. May throw to stop. */
  pace?: (bytes: number) => Promise<void>;
}
