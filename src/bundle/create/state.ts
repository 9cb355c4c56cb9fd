import type { Catalog } from '../../catalog/catalog.ts';
import { defined } from '../../model/defined.ts';
import type { ProductWithVersions, Version } from '../../model/versions.ts';
import type { BlobToCarry } from '../format/layout.ts';
import type { ManifestProduct, ManifestVersion } from '../format/manifest-schema.ts';
import { type SiteKeep, type VersionTest, versionsToKeep } from './select.ts';

/** The content that a site should have, in the form of manifests. */
export interface SelectedState {
  products: ManifestProduct[];
  versions: ManifestVersion[];
  /** The blobs of the versions, those of the newest versions first, and those of one version together. */
  blobs: BlobToCarry[];
}

/** Selects the versions that a site should have. */
export interface StateQuery {
  streams: readonly string[];
  /** The owners of the products; all if undefined. */
  owners?: readonly string[];
  /** All versions are selected if undefined. */
  select?: VersionTest;
  keep: SiteKeep;
  now: Date;
}

/**
 * Reads what the catalog has of some streams, whether its files are stored or not. Hidden versions and those that clients pushed
 * for themselves do not travel.
 */
export async function selectState(catalog: Catalog, query: StateQuery): Promise<SelectedState> {
  const { owners, select = () => true, keep, now } = query;
  const products: ManifestProduct[] = [];
  const versions: ManifestVersion[] = [];
  for (const stream of query.streams) {
    for await (const product of catalog.products.each({ stream })) {
      if (owners !== undefined && !owners.includes(product.owner)) continue;
      const selected = versionsToKeep(
        product.versions.filter(
          (version) => !version.hidden && version.pushedBy === undefined && select(product, version),
        ),
        keep,
        now,
      );
      if (selected.length === 0) continue;
      products.push(productOf(product));
      versions.push(...selected.map((version) => versionOf(product, version)));
    }
  }
  return { products, versions, blobs: blobsOf(versions) };
}

/**
 * A part of a state.
 * @param has whether it has a version
 */
export function partOfState(
  { products, versions }: SelectedState,
  has: (version: ManifestVersion) => boolean,
): SelectedState {
  const some = versions.filter(has);
  const named = new Set(some.map(({ stream, product }) => `${stream}/${product}`));
  return {
    products: products.filter(({ stream, name }) => named.has(`${stream}/${name}`)),
    versions: some,
    blobs: blobsOf(some),
  };
}

function productOf(product: ProductWithVersions): ManifestProduct {
  const { name, stream, owner, osTitle, releaseTitle, releaseShown, supportEol, requirements } = product;
  return {
    ...{ name, stream, owner, osTitle, releaseTitle },
    ...defined({ releaseShown, supportEol }),
    requirements,
    aliases: product.aliases,
  };
}

function versionOf({ stream, name }: ProductWithVersions, version: Version): ManifestVersion {
  const { serial, label, items } = version;
  return {
    ...{ stream, product: name, serial, label },
    items: items.map(({ type, file, digest, size, fingerprint, deltaBase }) => ({
      ...{ type, file, digest: `sha256:${digest}`, size },
      ...defined({ fingerprint, deltaBase }),
    })),
  };
}

/** Sorts versions of all products by their serials. */
export function newestFirst(versions: readonly ManifestVersion[]): ManifestVersion[] {
  return versions.toSorted((one, other) => (one.serial < other.serial ? 1 : -1));
}

function blobsOf(versions: readonly ManifestVersion[]): BlobToCarry[] {
  const blobs = new Map<string, BlobToCarry>();
  for (const { items } of newestFirst(versions)) {
    for (const { digest, size } of items) if (!blobs.has(digest)) blobs.set(digest, { digest, size });
  }
  return [...blobs.values()];
}
