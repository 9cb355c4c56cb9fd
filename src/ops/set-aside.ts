import type { AsideBlob, AsideReason, BlobStore } from '../blobs/blob-store.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { batches } from './batches.ts';

/** How long blobs that were set aside are kept, in milliseconds. */
export interface AsideTimes {
  /** Blobs that the catalog knew and that no version names any more. */
  keepRemoved: number;
  /** Blobs that the catalog never knew, and damaged ones once the right bytes are stored or no version needs them. */
  keepUnknown: number;
}

/**
 * Restores the blobs that the catalog names again, for example after a restore, and removes those that were set aside
 * long enough.
 * @param times nothing is removed without
 */
export async function tidyAside(
  catalog: Catalog,
  store: BlobStore,
  times?: AsideTimes,
): Promise<{ returned: number; removed: number }> {
  const tidied = { returned: 0, removed: 0 };
  const { keepRemoved, keepUnknown } = times ?? { keepRemoved: Infinity, keepUnknown: Infinity };
  const until: Record<AsideReason, number> = {
    removed: Date.now() - keepRemoved,
    unknown: Date.now() - keepUnknown,
    damaged: Date.now() - keepUnknown,
  };
  for await (const batch of batches(store.aside())) {
    const unknown = await catalog.blobs.unknown(batch.map(({ digest }) => digest));
    for (const blob of batch) {
      const isKnown = !unknown.has(blob.digest);
      if (isKnown && (await isMissing(store, blob))) {
        // A damaged blob stays: it is all that is left until the right bytes are stored.
        if (blob.reason !== 'damaged' && (await store.bringBack(blob.digest))) tidied.returned++;
      } else if (blob.modified.getTime() <= until[blob.reason]) {
        // The store also has a blob that the catalog knows: this is a second copy.
        if (isKnown) await store.removeAside(blob);
        else if (await catalog.blobs.whileUnknown(blob.digest, () => store.removeAside(blob)))
          tidied.removed++;
      }
    }
  }
  return tidied;
}

/** The number and size of blobs that are set aside. */
export async function asideSize(store: BlobStore): Promise<{ blobs: number; bytes: number }> {
  const total = { blobs: 0, bytes: 0 };
  for await (const { size } of store.aside()) {
    total.blobs += 1;
    total.bytes += size;
  }
  return total;
}

async function isMissing(store: BlobStore, { digest, size, reason }: AsideBlob): Promise<boolean> {
  const found = await store.stat(digest);
  // Of a damaged blob the size says nothing.
  return found === undefined || (reason !== 'damaged' && found.size !== size);
}
