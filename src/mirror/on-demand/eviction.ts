import type { HeldSource } from '../../catalog/products/blob-sources.ts';
import { ownerOf } from '../../catalog/products/ownership.ts';
import type { MirrorDefinition } from '../../config/mirror-schema.ts';
import { parseDigest } from '../../model/digest.ts';
import type { MirrorServices } from '../mirror-services.ts';

/**
 * Removes blobs of an on-demand mirror beyond the age and size of its `cache`. They stay listed, and are fetched again when
 * a client asks.
 */
export async function evictExpired(
  { name }: Pick<MirrorDefinition, 'name'>,
  cache: NonNullable<MirrorDefinition['cache']>,
  { catalog, store }: Pick<MirrorServices, 'catalog' | 'store'>,
): Promise<{ blobs: number; bytes: number }> {
  const owner = ownerOf(name);
  const evicted = { blobs: 0, bytes: 0 };
  for (const { digest, size } of expired(await catalog.sources.held(name, owner), cache, new Date())) {
    if (!(await catalog.sources.evict(digest, owner, () => store.remove(parseDigest(digest))))) continue;
    evicted.blobs += 1;
    evicted.bytes += size;
  }
  return evicted;
}

/** The blobs to remove. @param held least recently requested first */
export function expired(
  held: readonly HeldSource[],
  cache: NonNullable<MirrorDefinition['cache']>,
  now: Date,
): HeldSource[] {
  const { age, size = Number.POSITIVE_INFINITY } = cache;
  let left = held.reduce((sum, blob) => sum + blob.size, 0);
  return held.filter((blob) => {
    const isOld = age !== undefined && now.getTime() - blob.askedAt.getTime() > age;
    if (!isOld && left <= size) return false;
    left -= blob.size;
    return true;
  });
}
