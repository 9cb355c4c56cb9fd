import { version } from '../../version.ts';
import { documentMembers, documentSpace } from '../format/documents.ts';
import { planLayout } from '../format/layout.ts';
import { renderManifest } from '../format/manifest.ts';
import { bundleFormat, type Manifest } from '../format/manifest-schema.ts';
import { spaceOf } from '../format/tar-header.ts';
import { packManifest } from '../format/volume-bytes.ts';
import type { SelectedState } from './state.ts';

/** What a bundle is to be, beside the state. */
export interface BundleRequest {
  site: string;
  to: string;
  sequence: number;
  previous: string | null;
  created: Date;
  label?: string;
  /** Bytes of a volume; Infinity for a stream. */
  limit: number;
  /** The blobs that the site has from earlier bundles: the sequence of the bundle by their digests (`sha256:…`). */
  sent: ReadonlyMap<string, number>;
}

/** Bytes that a detached signature may have in a volume. */
export const signatureRoom = 4096;

/**
 * Decides what a bundle carries, and where. The manifest is in each volume, and names the volume of each blob, so the room
 * for it grows until both agree.
 * @throws HeadwaterError `usage` when volumes are too small
 */
export function planBundle(state: SelectedState, request: BundleRequest): Manifest {
  const { sent, limit } = request;
  const toCarry = state.blobs.filter(({ digest }) => !sent.has(digest));
  const { documents = [], withdrawn = [] } = state;
  const documentSize = documentSpace(documentMembers({ documents }));
  const bytes = toCarry.reduce((sum, { size }) => sum + size, 0);
  for (let room = 0; ; ) {
    const { carried, volumeCount } = planLayout(
      toCarry,
      limit,
      spaceOf({ size: room }) + spaceOf({ size: signatureRoom }),
      documentSize,
    );
    const manifest: Manifest = {
      ...{ format: bundleFormat, requires: [] },
      ...{ site: request.site, to: request.to, sequence: request.sequence, previous: request.previous },
      created: request.created.toISOString(),
      ...(request.label === undefined ? {} : { label: request.label }),
      headwater: version,
      volumes: { count: volumeCount, limit: Number.isFinite(limit) ? limit : null, bytes },
      ...(documents.length === 0 ? {} : { documents }),
      products: state.products,
      versions: state.versions,
      ...(withdrawn.length === 0 ? {} : { withdrawn }),
      carried,
      assumed: state.blobs.flatMap(({ digest, size }) => {
        const sequence = sent.get(digest);
        return sequence === undefined ? [] : [{ digest, size, sequence }];
      }),
    };
    if (!Number.isFinite(limit)) return manifest;
    const needed = packManifest(renderManifest(manifest)).length;
    if (needed <= room) return manifest;
    // A little more, so that a layout with other numbers fits, too.
    room = needed + Math.ceil(needed / 50) + 1024;
  }
}
