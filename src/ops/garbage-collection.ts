import type { BlobStore } from '../blobs/blob-store.ts';
import type { Digest } from '../blobs/digest.ts';
import { parseDigest } from '../blobs/digest.ts';
import type { Catalog } from '../catalog/catalog.ts';

/** How many blobs are looked for at a time. */
const batchSize = 500;

/** What a collection did. */
export interface Collected {
  /** Versions that were removed a grace period ago and are now forgotten. */
  versions: number;
  /** Blobs that nothing names any more. */
  blobs: number;
  /** Blobs in the store that the catalog never heard of: a process was killed between the two. */
  strays: number;
}

/**
 * Forgets what left the documents longer than `gracePeriod` ago and removes bytes that nothing names. Safe beside
 * running publishes, in this process and in others.
 * @param options.gracePeriod milliseconds; also the least age of bytes that are removed
 * @param options.strays also look through the whole store for blobs that the catalog does not know
 */
export async function collectGarbage(
  catalog: Catalog,
  store: BlobStore,
  options: { gracePeriod: number; strays: boolean },
): Promise<Collected> {
  const before = new Date(Date.now() - options.gracePeriod);
  const collected: Collected = { versions: await catalog.versions.forget(before), blobs: 0, strays: 0 };
  for (;;) {
    const unused = await catalog.blobs.unused(before, batchSize);
    let removed = 0;
    for (const digest of unused) if (await collect(catalog, store, parseDigest(digest), before)) removed++;
    collected.blobs += removed;
    if (removed === 0) break;
  }
  if (options.strays) collected.strays = await collectStrays(catalog, store, before);
  return collected;
}

async function collectStrays(catalog: Catalog, store: BlobStore, before: Date): Promise<number> {
  let strays = 0;
  for await (const { digest, modified } of store.list()) {
    if (modified >= before || (await catalog.blobs.find(digest)) !== undefined) continue;
    if (await collect(catalog, store, digest, before)) strays++;
  }
  return strays;
}

async function collect(catalog: Catalog, store: BlobStore, digest: Digest, before: Date): Promise<boolean> {
  return await catalog.blobs.collect(digest, before, () => store.remove(digest));
}
