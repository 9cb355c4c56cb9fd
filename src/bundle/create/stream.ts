import type { WrittenBundle } from '../../catalog/bundles/bundles.ts';
import type { Catalog } from '../../catalog/catalog.ts';
import { streamContent } from '../format/content.ts';
import type { Manifest } from '../format/manifest-schema.ts';
import { PassingBlobs } from '../format/passing-blobs.ts';
import { volumeBytes, volumeSize } from '../format/volume-bytes.ts';
import { documentReader } from './documents.ts';
import { type BlobReader, partsOf, readPart } from './parts.ts';

/** A bundle as one archive. */
export interface BundleStream {
  manifest: Manifest;
  /** Bytes of the whole stream. */
  size: number;
  /** Fails with a HeadwaterError `invalid` when the store has wrong bytes. A chunk is valid until the next one is asked for. */
  chunks: AsyncGenerator<Uint8Array>;
}

/** Reads a bundle as a stream: one tar archive without a limit, whose last member tells that it is whole. */
export function bundleStream(
  bundle: WrittenBundle,
  { catalog, store }: { catalog: Catalog; store: BlobReader },
): BundleStream {
  const { bytes, manifest, head } = partsOf(bundle);
  const content = streamContent(manifest, head, bytes);
  const chunks = volumeBytes(
    content,
    new PassingBlobs(),
    (member) => readPart(store, member),
    documentReader(catalog, store),
  );
  return { manifest, size: volumeSize(content), chunks };
}
