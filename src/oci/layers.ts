import type { Catalog } from '../catalog/catalog.ts';
import type { ManifestRecord } from '../catalog/images/repositories.ts';
import { isPushed } from '../catalog/products/ownership.ts';
import type { ProductWithVersions } from '../model/versions.ts';
import { contentOf } from '../publish/blob-content.ts';
import type { Layer } from './documents.ts';
import { manifestKey } from './repository.ts';

/**
 * The layers of the roots of some products, by the digest of the root: the root itself if it is a gzip tarball, else its
 * gzip form, if it was made. Of the compressions of layers, gzip is the only one that all clients read.
 */
export async function findLayers(
  { blobs, layers: made }: Pick<Catalog, 'blobs' | 'layers'>,
  products: readonly ProductWithVersions[],
): Promise<Map<string, Layer>> {
  const items = products.flatMap(({ versions }) => versions.flatMap((version) => version.items));
  const roots = new Set(
    items.flatMap(({ type, digest }) => (type === 'root.tar.xz' || type === 'squashfs' ? [digest] : [])),
  );
  const forms = await made.of([...roots]);
  const records = await blobs.findAll([...roots, ...forms.values()]);
  const layers = new Map<string, Layer>();
  for (const root of roots) {
    const record = records.get(forms.get(root) ?? root);
    const content = record === undefined ? undefined : contentOf(record);
    if (record === undefined || content?.kind !== 'rootfs-tarball' || content.unpacked === undefined)
      continue;
    const { digest, size } = record;
    layers.set(root, { digest, size, unpacked: content.unpacked });
  }
  return layers;
}

/** The manifests with which clients pushed versions of some products, as a repository has them. */
export async function findManifests(
  catalog: Pick<Catalog, 'repositories'>,
  products: readonly ProductWithVersions[],
): Promise<Map<string, ManifestRecord[]>> {
  const names = products.filter(isPushed).map(({ name }) => name);
  const manifests = new Map<string, ManifestRecord[]>();
  if (names.length === 0) return manifests;
  for (const { stream, product: name, serial, ...record } of await catalog.repositories.manifests(names)) {
    const key = manifestKey({ stream, name, serial });
    const others = manifests.get(key);
    if (others === undefined) manifests.set(key, [record]);
    else others.push(record);
  }
  return manifests;
}
