import type { BundleServices, CreatedBundle } from '../../../bundle/create/create.ts';
import type { Manifest } from '../../../bundle/format/manifest-schema.ts';
import { humanSize } from '../../view/human.ts';

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
export function dryRunText(manifest: Manifest, sizes: readonly number[]): string {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const lines = sizes.map((size, index) => `volume ${index + 1}: ${size} bytes`);
  return [
    ...lines,
    `${humanSize(total)} in ${counted(sizes.length, 'volume')}; ${carriedText(manifest)}`,
  ].join('\n');
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
