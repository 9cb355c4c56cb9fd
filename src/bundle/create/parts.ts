import type { BlobStore } from '../../blobs/blob-store.ts';
import type { WrittenBundle } from '../../catalog/bundles/bundles.ts';
import { parseDigest } from '../../model/digest.ts';
import { parseManifest } from '../format/manifest.ts';
import type { Manifest } from '../format/manifest-schema.ts';
import type { BlobMember } from '../format/members.ts';
import { packManifest, type VolumeHead } from '../format/volume-bytes.ts';

/** The parts of a bundle that are known before its blobs are read. */
interface BundleParts {
  /** `bundle.json` as it is signed. */
  bytes: Buffer;
  manifest: Manifest;
  head: VolumeHead;
}

/** The manifest and the signature of a bundle, as its volumes have them. */
export function partsOf(bundle: WrittenBundle): BundleParts {
  const bytes = Buffer.from(bundle.manifest);
  const manifest = parseManifest(bytes, `bundle ${bundle.sequence} for ${bundle.to}`);
  return {
    bytes,
    manifest,
    head: { manifest: packManifest(bytes), signature: Buffer.from(bundle.signature) },
  };
}

/** Where the bytes of blobs come from. */
export type BlobReader = Pick<BlobStore, 'read'>;

/** The bytes of a blob, or of a part of it, from the store. */
export async function readPart(
  store: BlobReader,
  { blob, offset, size }: BlobMember,
): Promise<AsyncIterable<Uint8Array>> {
  const digest = parseDigest(blob.digest);
  if (size === 0) return emptyStream();
  return await store.read(digest, { start: offset, end: offset + size - 1, of: blob.size });
}

async function* emptyStream(): AsyncGenerator<Uint8Array> {}
