import type { BlobStore } from '../blobs/blob-store.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { type Digest, parseDigest } from '../model/digest.ts';
import { batches } from './batches.ts';
import { type AsideTimes, tidyAside } from './set-aside.ts';
import { confirmOwnership, type Ownership } from './store-owner.ts';

/** How many blobs are looked up at a time. */
const batchSize = 500;
/** A sweep may always take this many blobs: in a small store, a few are a large share. */
const toleratedStrays = 10;

const day = 24 * 3_600_000;

/** The result of a collection. */
export interface Collected {
  /** Whether the catalog owns the store. If not, nothing was removed from it. */
  ownership: Ownership;
  /** Versions that were removed a grace period ago and are now forgotten. */
  versions: number;
  /** Blobs that nothing names any more, set aside. */
  blobs: number;
  /** Blobs that the catalog does not know, set aside. */
  strays: number;
  /** Blobs that were set aside and restored, because the catalog names them again. */
  returned: number;
  /** Blobs that were set aside long enough and are removed now. */
  removed: number;
}

export interface CollectionOptions extends Partial<AsideTimes> {
  /** Milliseconds that removed versions stay fetchable; also the least age of bytes that are set aside. */
  gracePeriod: number;
  /** Also search the whole store for blobs that the catalog does not know. */
  strays: boolean;
  /** false: only restore blobs that the catalog names again. */
  remove?: boolean;
  /** Percent of the store's blobs that a sweep may set aside; a sweep that finds more stops. */
  share?: number;
}

/**
 * Forgets versions that were removed longer than `gracePeriod` ago, and sets aside blobs that nothing names. Safe
 * beside running publishes, in this process and in others. Removes nothing from a store that the catalog does not own.
 */
export async function collectGarbage(
  catalog: Catalog,
  store: BlobStore,
  options: CollectionOptions,
): Promise<Collected> {
  const { gracePeriod, strays, share = 10, keepRemoved = day, keepUnknown = 7 * day } = options;
  const ownership = await confirmOwnership(catalog, store);
  const collected: Collected = { ownership, versions: 0, blobs: 0, strays: 0, returned: 0, removed: 0 };
  const remove = ownership.owned && options.remove !== false;
  if (remove) {
    const before = new Date(Date.now() - gracePeriod);
    collected.versions = await catalog.versions.forget(before);
    collected.blobs = await collectUnused(catalog, store, before, keepRemoved);
    if (strays) collected.strays = await sweep(catalog, store, { before, share });
  }
  return {
    ...collected,
    ...(await tidyAside(catalog, store, remove ? { keepRemoved, keepUnknown } : undefined)),
  };
}

async function collectUnused(
  catalog: Catalog,
  store: BlobStore,
  before: Date,
  keepRemoved: number,
): Promise<number> {
  // Blobs that would be removed in the same round need not be moved first.
  const take = (digest: Digest) =>
    keepRemoved === 0 ? store.remove(digest) : store.setAside(digest, 'removed');
  let blobs = 0;
  for (;;) {
    let taken = 0;
    for (const name of await catalog.blobs.unused(before, batchSize)) {
      const digest = parseDigest(name);
      if (await catalog.blobs.collect(digest, before, () => take(digest))) taken++;
    }
    blobs += taken;
    if (taken === 0) return blobs;
  }
}

/**
 * Sets aside the blobs that the catalog does not know. When these are more than a share of the store, it sets none aside
 * and leaves a note in the catalog: that many strays are rather a sign of a wrong catalog.
 * @param options.before only blobs that are older
 * @param options.share percent; 100 for a sweep that an administrator wants
 * @returns how many it set aside
 */
export async function sweep(
  catalog: Catalog,
  store: BlobStore,
  { before, share }: { before: Date; share: number },
): Promise<number> {
  const strays: Digest[] = [];
  let blobs = 0;
  for await (const batch of batches(store.list())) {
    blobs += batch.length;
    const old = batch.filter(({ modified }) => modified < before).map(({ digest }) => digest);
    const unknown = await catalog.blobs.unknown(old);
    strays.push(...old.filter((digest) => unknown.has(digest)));
  }
  const isTooMuch = strays.length > toleratedStrays && 100 * strays.length > share * blobs;
  await catalog.storage.noteSweep(
    isTooMuch ? { at: new Date().toISOString(), unknown: strays.length, blobs } : undefined,
  );
  if (isTooMuch) return 0;
  let taken = 0;
  for (const digest of strays) {
    // A client may have sent it again meanwhile, and be about to publish it.
    const modified = (await store.stat(digest))?.modified;
    if (modified === undefined || modified >= before) continue;
    if (await catalog.blobs.whileUnknown(digest, () => store.setAside(digest, 'unknown'))) taken++;
  }
  return taken;
}
