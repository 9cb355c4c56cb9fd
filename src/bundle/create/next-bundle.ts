import type { WrittenBundle } from '../../catalog/bundles/bundles.ts';
import type { Catalog } from '../../catalog/catalog.ts';
import { HeadwaterError } from '../../errors.ts';
import { defined } from '../../model/defined.ts';
import { type Digest, parseDigest } from '../../model/digest.ts';
import { inStream } from '../../model/names.ts';
import { renderManifest } from '../format/manifest.ts';
import type { Manifest, ManifestVersion } from '../format/manifest-schema.ts';
import { blobsAtSite, type Since, type UnrecordedReceipt } from './base.ts';
import { fillBundle } from './fill.ts';
import type { BlobReader } from './parts.ts';
import { type StateQuery, selectState } from './state.ts';

/** What the next bundle for a site should be. */
export interface BundleWish {
  site: string;
  to: string;
  label?: string;
  /** The versions that the site should have. */
  select: Omit<StateQuery, 'now'>;
  since?: Since;
  /** Takes the place of the newest receipt of the site. */
  receipt?: UnrecordedReceipt;
  /** Bytes of a volume; Infinity for a stream. */
  limit: number;
  /** Bytes of the whole bundle. */
  maxSize?: number;
  /** The number of previous bundles whose blobs are carried again as far as they fit. */
  overlap: number;
}

/** The next bundle for a site. */
export interface NextBundle {
  manifest: Manifest;
  repeated: ReadonlySet<string>;
  /** Versions that do not fit into the size; the bundle after this one carries them. */
  leftOut: ManifestVersion[];
  /** Versions that it should carry and whose files are not stored. */
  notStored: ManifestVersion[];
  /** Undefined unless an earlier process began this same bundle. */
  begun?: WrittenBundle;
}

/** What a bundle is planned from. The store has the documents of upstreams. */
interface PlanServices {
  catalog: Catalog;
  store: BlobReader;
}

/** Downloads blobs that mirrors list on demand. */
export type FetchBlobs = (blobs: { digest: Digest; size: number }[]) => Promise<void>;

/** How often a plan is made anew because the catalog changed during a download. */
const maxFetches = 3;

/**
 * Plans the next bundle for a site, and downloads files that it needs.
 * @param fetch undefined to refuse versions whose files are not stored
 * @throws HeadwaterError `conflict` naming versions whose files are not stored; `not-found` when nothing is selected; `usage`
 *   when a size is too small
 */
export async function nextBundle(
  services: PlanServices,
  wish: BundleWish,
  fetch: FetchBlobs | undefined,
): Promise<NextBundle> {
  for (let attempt = 0; ; attempt++) {
    const next = await planNext(services, wish);
    if (next.notStored.length === 0) return next;
    if (fetch === undefined || attempt === maxFetches)
      throw await notStored(next.notStored, services.catalog);
    const wanted = new Set(next.notStored.flatMap(({ items }) => items.map(({ digest }) => digest)));
    const carried = next.manifest.carried.filter(({ digest }) => wanted.has(digest));
    await fetch(carried.map(({ digest, size }) => ({ digest: parseDigest(digest), size })));
  }
}

/** Plans the next bundle for a site, whether its files are stored or not. */
export async function planNext(services: PlanServices, wish: BundleWish): Promise<NextBundle> {
  const { catalog } = services;
  const { to } = wish;
  const ledger = await catalog.bundles.list(to);
  const last = ledger.findLast(({ finishedAt }) => finishedAt !== undefined);
  const place = { sequence: (last?.sequence ?? 0) + 1, previous: last?.identity ?? null };
  const begun = await catalog.bundles.find(to, place.sequence);
  if (begun !== undefined) {
    // An interrupted bundle is continued if the same one would be begun now.
    const same = await planAt(services, wish, { ...place, created: begun.createdAt });
    if (renderManifest(same.manifest).toString() === begun.manifest) return { ...same, begun };
  }
  return await planAt(services, wish, { ...place, created: new Date() });
}

async function planAt(
  services: PlanServices,
  wish: BundleWish,
  place: { sequence: number; previous: string | null; created: Date },
): Promise<NextBundle> {
  const { catalog } = services;
  const state = await selectState(services, { ...wish.select, now: place.created });
  if (state.versions.length === 0 && (state.withdrawn ?? []).length === 0) {
    throw new HeadwaterError('not-found', 'no version to carry: no published version is selected');
  }
  const stored = await catalog.blobs.findAll(state.blobs.map(({ digest }) => parseDigest(digest)));
  const isStored = (digest: string) => stored.has(parseDigest(digest));
  const recent = wish.overlap === 0 ? [] : await catalog.bundles.recent(wish.to, wish.overlap);
  const planned = fillBundle(state, {
    ...{ ...place, site: wish.site, to: wish.to, limit: wish.limit },
    ...defined({ label: wish.label, maxSize: wish.maxSize }),
    sent: await blobsAtSite(catalog, wish.to, wish.since, wish.receipt),
    recent: new Set([...recent].filter((digest) => stored.has(digest)).map((digest) => `sha256:${digest}`)),
  });
  const missing = new Set(
    planned.manifest.carried.map(({ digest }) => digest).filter((digest) => !isStored(digest)),
  );
  return {
    ...planned,
    notStored: planned.manifest.versions.filter(({ items }) =>
      items.some(({ digest }) => missing.has(digest)),
    ),
  };
}

async function notStored(versions: readonly ManifestVersion[], catalog: Catalog): Promise<HeadwaterError> {
  const named = versions
    .slice(0, 5)
    .map(({ stream, product, serial }) => `${inStream(stream, product)} ${serial}`);
  const more = versions.length > named.length ? ` and ${versions.length - named.length} more` : '';
  const digests = versions.flatMap(({ items }) => items.map(({ digest }) => parseDigest(digest)));
  const sources = await Promise.all(digests.slice(0, 100).map((digest) => catalog.sources.find(digest)));
  const isListed = sources.some((found) => found.length > 0);
  return new HeadwaterError(
    'conflict',
    isListed
      ? `the files of ${named.join(', ')}${more} are not stored, because a mirror lists them on demand: use --fetch to download them, or select other versions`
      : `files of ${named.join(', ')}${more} are damaged or missing in the store: run "headwater verify --read --repair"`,
  );
}
