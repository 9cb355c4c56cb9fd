import type { MirrorServices } from '../mirror-services.ts';

/**
 * The digests of stored blobs, as recorded in the catalog.
 * @param options.force look into the store too: it may have lost some
 */
export async function storedDigests(
  { catalog, store }: Pick<MirrorServices, 'catalog' | 'store'>,
  { force = false }: { force?: boolean } = {},
): Promise<Set<string>> {
  const recorded = await catalog.blobs.digests();
  if (!force) return recorded;
  const stored = new Set<string>();
  for await (const { digest } of store.list()) if (recorded.has(digest)) stored.add(digest);
  return stored;
}
