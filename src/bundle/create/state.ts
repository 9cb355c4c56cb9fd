import type { Catalog } from '../../catalog/catalog.ts';
import { defined } from '../../model/defined.ts';
import type { ProductWithVersions, Version } from '../../model/versions.ts';
import type { BlobToCarry } from '../format/layout.ts';
import type {
  ManifestDocument,
  ManifestProduct,
  ManifestVersion,
  ManifestWithdrawal,
} from '../format/manifest-schema.ts';
import { readProofs } from './documents.ts';
import type { BlobReader } from './parts.ts';
import { type SiteKeep, type VersionTest, versionsToKeep } from './select.ts';

/** The content that a site should have, in the form of manifests. */
export interface SelectedState {
  products: ManifestProduct[];
  versions: ManifestVersion[];
  /** The blobs of the versions, those of the newest versions first, and those of one version together. */
  blobs: BlobToCarry[];
  /** The signed documents of upstreams that list the versions. */
  documents?: ManifestDocument[];
  /** Versions that an operator withdrew. */
  withdrawn?: ManifestWithdrawal[];
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
export async function selectState(
  services: { catalog: Catalog; store: BlobReader },
  query: StateQuery,
): Promise<SelectedState> {
  const { catalog } = services;
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
  const withdrawn = await catalog.withdrawals.list(query.streams);
  const proofs = await readProofs(
    versions,
    products.map(({ owner }) => owner),
    services,
  );
  return {
    ...{ products, blobs: blobsOf(versions), documents: proofs.documents },
    versions: versions.map((version) => ({ ...version, ...proofs.of(version) })),
    withdrawn: withdrawn.map(({ at, ...version }) => ({ ...version, at: at.toISOString() })),
  };
}

/**
 * A part of a state.
 * @param has whether it has a version
 */
export function partOfState(
  { products, versions, documents, withdrawn }: SelectedState,
  has: (version: ManifestVersion) => boolean,
): SelectedState {
  const some = versions.filter(has);
  const named = new Set(some.map(({ stream, product }) => `${stream}/${product}`));
  return {
    products: products.filter(({ stream, name }) => named.has(`${stream}/${name}`)),
    versions: some,
    blobs: blobsOf(some),
    ...defined({
      documents: documents?.filter(({ sha256 }) => some.some(({ document }) => document === sha256)),
      withdrawn,
    }),
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
