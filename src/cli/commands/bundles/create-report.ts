import type { BundleServices, CreatedBundle } from '../../../bundle/create/create.ts';
import type { NextBundle } from '../../../bundle/create/next-bundle.ts';
import type { Manifest, ManifestVersion } from '../../../bundle/format/manifest-schema.ts';
import { inStream } from '../../../model/names.ts';
import { humanSize } from '../../view/human.ts';

/** Versions that are named. */
const maxNamed = 20;

type NamedVersion = Pick<ManifestVersion, 'stream' | 'product' | 'serial'>;

/** The bytes of each volume, or of a stream as a whole. */
export async function sizesOf(manifest: Manifest, sign: BundleServices['sign']): Promise<number[]> {
  const { sizeOfVolumes, streamContent } = await import('../../../bundle/format/content.ts');
  const { renderManifest } = await import('../../../bundle/format/manifest.ts');
  const { packManifest, volumeSize } = await import('../../../bundle/format/volume-bytes.ts');
  const bytes = renderManifest(manifest);
  const head = { manifest: packManifest(bytes), signature: Buffer.from(await sign(bytes)) };
  return manifest.volumes.limit === null
    ? [volumeSize(streamContent(manifest, head, bytes))]
    : sizeOfVolumes(manifest, head);
}

/** A bundle for scripts. */
export function summaryOf({ site, to, sequence, volumes, versions, carried, assumed }: Manifest) {
  return {
    ...{ site, to, sequence, volumes: volumes.count, versions: versions.length },
    ...{ carried: carried.length, bytes: volumes.bytes, assumed: assumed.length },
  };
}

/** A bundle that is only planned, for people. */
export function dryRunText(next: NextBundle, sizes: readonly number[]): string {
  const { manifest } = next;
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const lines = sizes.map((size, index) => `volume ${index + 1}: ${size} bytes`);
  const summary = `${humanSize(total)} in ${counted(sizes.length, 'volume')}; ${carriedText(manifest)}`;
  const missing = next.notStored.length;
  const downloads =
    missing === 0
      ? []
      : [`Files of ${counted(missing, 'version')} are not stored: they are downloaded first.`];
  return [...lines, summary, ...downloads, ...omissionLines(next)].join('\n');
}

/** What a bundle leaves out, for scripts. */
export function omissionsOf(next: Pick<NextBundle, 'leftOut' | 'notStored'> | undefined): {
  leftOut: NamedVersion[];
  notStored: NamedVersion[];
} {
  const { leftOut = [], notStored = [] } = next ?? {};
  return { leftOut: leftOut.map(nameOf), notStored: notStored.map(nameOf) };
}

/** Versions that do not fit, for people. */
export function omissionLines(next: Pick<NextBundle, 'leftOut'> | undefined): string[] {
  const { leftOut = [] } = next ?? {};
  if (leftOut.length === 0) return [];
  const named = leftOut
    .slice(0, maxNamed)
    .map(({ stream, product, serial }) => `  ${inStream(stream, product)} ${serial}`);
  const more = leftOut.length > maxNamed ? [`  and ${leftOut.length - maxNamed} more versions`] : [];
  return ['These versions do not fit. The next bundle contains them:', ...named, ...more];
}

function nameOf({ stream, product, serial }: NamedVersion): NamedVersion {
  return { stream, product, serial };
}

/** A bundle that was written, for people. */
export function createdText({ directory, manifest, reused }: CreatedBundle): string {
  const continued = reused > 0 ? ` (${counted(reused, 'volume')} had been written before)` : '';
  return `${directory}: ${counted(manifest.volumes.count, 'volume')}${continued}; ${carriedText(manifest)}`;
}

function carriedText({ versions, carried, assumed, volumes }: Manifest): string {
  return `${counted(versions.length, 'version')}; ${counted(carried.length, 'file')} of ${humanSize(volumes.bytes)} carried, ${assumed.length} sent before`;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
