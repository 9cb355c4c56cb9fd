import type { Catalog } from '../../catalog/catalog.ts';
import { productName } from '../../model/names.ts';
import type { ProductWithVersions } from '../../model/versions.ts';
import type { OfferedProduct } from '../../simplestreams/read/offered.ts';
import type { MirrorServices } from '../mirror-services.ts';
import type { HeldProduct } from '../plan/plan.ts';

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

/** The products that a plan needs: those of the mirror, then those of others in the stream with the same names. */
export async function heldProducts(
  catalog: Catalog,
  { owner, stream }: { owner: string; stream: string },
  offered: OfferedProduct[],
): Promise<HeldProduct[]> {
  const names = new Set(offered.map(({ key }) => productName(key)));
  const [own, others]: [HeldProduct[], HeldProduct[]] = [[], []];
  for await (const product of catalog.products.each()) {
    if (product.owner === owner) own.push(slim(product));
    else if (product.stream === stream && names.has(product.name)) others.push(slim(product));
  }
  return [...own, ...others];
}

function slim({ name, owner, stream, versions }: ProductWithVersions): HeldProduct {
  return {
    name,
    owner,
    stream,
    versions: versions.map(({ serial, items }) => ({
      serial,
      items: items.map(({ type, digest }) => ({ type, digest })),
    })),
  };
}
