import type { HeldSource } from '../../catalog/products/blob-sources.ts';
import { ownerOf } from '../../catalog/products/mirror-owner.ts';
import type { MirrorDefinition } from '../../config/mirror-schema.ts';
import { parseDigest } from '../../model/digest.ts';
import type { MirrorParts } from '../run/open-upstream.ts';

/**
 * Drops what a mirror on demand holds for too long, or what is too much. It stays listed, and is fetched again when
 * somebody asks.
 */
export async function evictExpired(
  { name }: Pick<MirrorDefinition, 'name'>,
  cache: NonNullable<MirrorDefinition['cache']>,
  { catalog, store }: Pick<MirrorParts, 'catalog' | 'store'>,
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

/** Which blobs to drop. @param held the one that nobody has asked for longest first */
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
