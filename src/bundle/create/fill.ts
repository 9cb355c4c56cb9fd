import { HeadwaterError } from '../../errors.ts';
import { sizeOfVolumes, streamContent } from '../format/content.ts';
import { renderManifest } from '../format/manifest.ts';
import type { Manifest, ManifestVersion } from '../format/manifest-schema.ts';
import { spaceOf } from '../format/tar-header.ts';
import { packManifest, volumeSize } from '../format/volume-bytes.ts';
import { type BundleRequest, planBundle, signatureRoom } from './plan.ts';
import { readmeOf } from './readme.ts';
import { newestFirst, partOfState, type SelectedState } from './state.ts';

/** What fits into a bundle. */
interface PlannedBundle {
  manifest: Manifest;
  /** The blobs (`sha256:…`) that it carries although a previous bundle did. */
  repeated: ReadonlySet<string>;
  /** Versions that do not fit; the next bundle carries them. */
  leftOut: ManifestVersion[];
}

/** What may go into a bundle. */
export interface FillRequest extends BundleRequest {
  /** Bytes of the whole bundle. */
  maxSize?: number;
  /** Stored blobs of previous bundles (`sha256:…`), to be carried again as far as they fit. */
  recent: ReadonlySet<string>;
}

/** Part of a state, with the bytes that its blobs take as members of a volume. */
interface Content extends Omit<PlannedBundle, 'manifest'> {
  state: SelectedState;
  space: number;
}

/**
 * Plans a bundle of limited size: new versions first, from the newest to the oldest, then blobs of previous bundles once more. A
 * version that does not fit leaves its place to older ones that do.
 * @throws HeadwaterError `usage` when nothing fits
 */
export function fillBundle(state: SelectedState, request: FillRequest): PlannedBundle {
  const { maxSize = Number.POSITIVE_INFINITY } = request;
  for (let budget = maxSize; ; ) {
    const { space, ...content } = contentWithin(state, request, budget);
    if (content.state.versions.length === 0 && content.leftOut.length > 0)
      throw nothingFits(state, request, maxSize);
    const sent = new Map([...request.sent].filter(([digest]) => !content.repeated.has(digest)));
    const manifest = planBundle(content.state, { ...request, sent });
    const excess = Number.isFinite(maxSize) ? sizeOf(manifest) - maxSize : 0;
    if (excess <= 0) return { manifest, repeated: content.repeated, leftOut: content.leftOut };
    if (space === 0) throw nothingFits(state, request, maxSize);
    budget = Math.min(budget, space) - excess;
  }
}

/** @param budget bytes of members for blobs */
function contentWithin(state: SelectedState, { sent, recent }: FillRequest, budget: number): Content {
  const carried = new Set<string>();
  const leftOut = new Set<ManifestVersion>();
  let space = 0;
  for (const version of newestFirst(state.versions)) {
    const added = version.items.filter(({ digest }) => !sent.has(digest) && !carried.has(digest));
    const needed = spaceOfAll(added);
    if (added.length > 0 && space + needed > budget) {
      leftOut.add(version);
      continue;
    }
    space += needed;
    for (const { digest } of added) carried.add(digest);
  }
  const chosen = leftOut.size === 0 ? state : partOfState(state, (version) => !leftOut.has(version));
  const repeated = new Set<string>();
  for (const blob of chosen.blobs) {
    if (!sent.has(blob.digest) || !recent.has(blob.digest) || space + spaceOf(blob) > budget) continue;
    space += spaceOf(blob);
    repeated.add(blob.digest);
  }
  return { state: chosen, repeated, leftOut: [...leftOut], space };
}

function spaceOfAll(items: readonly { digest: string; size: number }[]): number {
  const sizes = new Map(items.map(({ digest, size }) => [digest, size]));
  return [...sizes.values()].reduce((sum, size) => sum + spaceOf({ size }), 0);
}

/** The bytes that a bundle may take at most, with the files beside its volumes. */
function sizeOf(manifest: Manifest): number {
  const bytes = renderManifest(manifest);
  const head = { manifest: packManifest(bytes), signature: Buffer.alloc(signatureRoom) };
  if (manifest.volumes.limit === null) return volumeSize(streamContent(manifest, head, bytes));
  const volumes = sizeOfVolumes(manifest, head);
  const lineOfSums = 150;
  const beside = bytes.length + 2 * signatureRoom + readmeOf(manifest).length;
  return volumes.reduce((sum, size) => sum + size, beside + (volumes.length + 5) * lineOfSums);
}

function nothingFits(state: SelectedState, request: FillRequest, maxSize: number): HeadwaterError {
  const sizes = state.versions.map(({ items }) =>
    spaceOfAll(items.filter(({ digest }) => !request.sent.has(digest))),
  );
  const smallest = Math.min(...sizes);
  return new HeadwaterError(
    'usage',
    `maxSize: ${maxSize} bytes are too few: the smallest version has ${smallest} bytes, and the manifest needs room, too`,
    { fields: ['maxSize'] },
  );
}
