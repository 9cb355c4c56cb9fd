import type { Manifest } from '../../bundle/format/manifest-schema.ts';
import type { AwaitedBlob } from '../../catalog/bundles/received-bundles.ts';
import { parseDigest } from '../../model/digest.ts';
import type { SiteVersion } from './site-plan.ts';

/** What versions wait for. */
export interface Waiting {
  versions: number;
  /** Blobs that are missing, and their bytes. */
  blobs: number;
  bytes: number;
  /** Where they were carried. */
  bundles: { sequence: number; blobs: number; bytes: number }[];
}

/** The blobs of versions, each once, with the bundles that carried them. @param manifest the state that names them */
export function awaitedBlobs(versions: readonly SiteVersion[], manifest: Manifest): AwaitedBlob[] {
  const sequences = new Map(
    manifest.assumed.map(({ digest, sequence }) => [parseDigest(digest), sequence] as const),
  );
  const blobs = new Map<string, AwaitedBlob>();
  for (const { sha256, size } of versions.flatMap(({ files }) => files)) {
    if (sha256 === undefined || blobs.has(sha256)) continue;
    blobs.set(sha256, { digest: sha256, size, sequence: sequences.get(sha256) ?? manifest.sequence });
  }
  return [...blobs.values()];
}

/** Sums up what versions wait for. @param missing the blobs that are not stored */
export function summarize(versions: number, missing: readonly AwaitedBlob[]): Waiting {
  const bundles = new Map<number, { sequence: number; blobs: number; bytes: number }>();
  for (const { sequence, size } of missing) {
    const bundle = bundles.get(sequence) ?? { sequence, blobs: 0, bytes: 0 };
    bundles.set(sequence, { sequence, blobs: bundle.blobs + 1, bytes: bundle.bytes + size });
  }
  return {
    versions,
    blobs: missing.length,
    bytes: missing.reduce((sum, { size }) => sum + size, 0),
    bundles: [...bundles.values()].sort((one, other) => one.sequence - other.sequence),
  };
}

/**
 * The commands with which the other site sends again what is missing.
 * @param volumes of the bundle of `manifest`: those with damaged blobs; absent if all of it is needed
 */
export function requestsFor(
  { to }: Pick<Manifest, 'to'>,
  { bundles }: Waiting,
  damaged: { sequence: number; volumes: readonly number[] },
): string[] {
  return bundles.map(({ sequence }) => {
    const volumes = sequence === damaged.sequence ? damaged.volumes : [];
    const flags = volumes.map((volume) => ` --volume ${volume}`).join('');
    return `headwater bundle create --to ${to} --again ${sequence}${flags} OUTPUT`;
  });
}
