import type { MirrorParts } from './open-upstream.ts';

/**
 * The digests of the blobs that are here, as the catalog remembers.
 * @param options.force look into the store, too: it may have lost some
 */
export async function storedDigests(
  { catalog, store }: Pick<MirrorParts, 'catalog' | 'store'>,
  { force = false }: { force?: boolean } = {},
): Promise<Set<string>> {
  const recorded = await catalog.blobs.digests();
  if (!force) return recorded;
  const stored = new Set<string>();
  for await (const { digest } of store.list()) if (recorded.has(digest)) stored.add(digest);
  return stored;
}
