import type { Catalog } from '../../catalog/catalog.ts';
import { HeadwaterError } from '../../errors.ts';
import { defined } from '../../model/defined.ts';
import { inStream } from '../../model/names.ts';
import type { ProductWithVersions, Version } from '../../model/versions.ts';
import type { BlobToCarry } from '../format/layout.ts';
import type { ManifestProduct, ManifestVersion } from '../format/manifest-schema.ts';

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
  /** @returns the serials of a product that are selected; all are when left out */
  select?: (product: ProductWithVersions) => ReadonlySet<string>;
}

/**
 * Reads what the catalog has of some streams. Hidden versions and those that clients pushed for themselves do not travel.
 * @throws HeadwaterError `conflict` naming versions whose files are not stored
 */
export async function selectState(catalog: Catalog, query: StateQuery): Promise<SelectedState> {
  const products: ManifestProduct[] = [];
  const found: { version: ManifestVersion; name: string }[] = [];
  for (const stream of query.streams) {
    for await (const product of catalog.products.each({ stream })) {
      const selected = query.select?.(product);
      const versions = product.versions.filter(
        ({ hidden, pushedBy, serial }) =>
          !hidden && pushedBy === undefined && (selected?.has(serial) ?? true),
      );
      if (versions.length === 0) continue;
      products.push(productOf(product));
      const name = inStream(stream, product.name);
      found.push(...versions.map((version) => ({ version: versionOf(product, version), name })));
    }
  }
  const blobs = blobsOf(found.map(({ version }) => version));
  const stored = await catalog.blobs.findAll(blobs.map(({ digest }) => plain(digest)));
  const missing = found.filter(({ version }) =>
    version.items.some(({ digest }) => !stored.has(plain(digest))),
  );
  if (missing.length > 0) throw notStored(missing);
  return { products, versions: found.map(({ version }) => version), blobs };
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

function blobsOf(versions: readonly ManifestVersion[]): BlobToCarry[] {
  const newestFirst = versions.toSorted((one, other) => (one.serial < other.serial ? 1 : -1));
  const blobs = new Map<string, BlobToCarry>();
  for (const { items } of newestFirst) {
    for (const { digest, size } of items) if (!blobs.has(digest)) blobs.set(digest, { digest, size });
  }
  return [...blobs.values()];
}

function plain(digest: string): string {
  return digest.replace('sha256:', '');
}

function notStored(missing: readonly { version: ManifestVersion; name: string }[]): HeadwaterError {
  const named = missing.slice(0, 5).map(({ version, name }) => `${name} ${version.serial}`);
  const more = missing.length > named.length ? ` and ${missing.length - named.length} more` : '';
  return new HeadwaterError(
    'conflict',
    `the files of ${named.join(', ')}${more} are not stored, because a mirror lists them on demand: download them first, or select other versions`,
  );
}
