import type { Catalog } from '../catalog/catalog.ts';
import type { ProductWithVersions } from '../model/versions.ts';
import { contentOf } from '../publish/blob-content.ts';
import type { Layer } from './documents.ts';

/**
 * The layers of the roots of some products, by the digest of the root: the roots that are gzip themselves. Of the
 * compressions of layers, gzip is the only one that all clients read.
 */
export async function findLayers(
  catalog: Pick<Catalog, 'blobs'>,
  products: readonly ProductWithVersions[],
): Promise<Map<string, Layer>> {
  const items = products.flatMap(({ versions }) => versions.flatMap((version) => version.items));
  const roots = new Set(items.flatMap(({ type, digest }) => (type === 'root.tar.xz' ? [digest] : [])));
  const records = await catalog.blobs.findAll([...roots]);
  const layers = new Map<string, Layer>();
  for (const [digest, record] of records) {
    const content = contentOf(record);
    const { size } = record;
    if (content.kind !== 'rootfs-tarball' || content.unpacked === undefined) continue;
    layers.set(digest, { digest, size, unpacked: content.unpacked });
  }
  return layers;
}
