import { hash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { isUnreadable } from '../../blobs/damaged-blob.ts';
import type { Catalog } from '../../catalog/catalog.ts';
import type { WrongImage } from '../../catalog/images/fingerprint-rows.ts';
import type { ListedImage } from '../../catalog/images/fingerprints.ts';
import { isKind } from '../../errors.ts';
import { type Digest, parseDigest } from '../../model/digest.ts';
import type { Reading, VerifyServices } from './verify-services.ts';

/** An image with a wrong fingerprint in the catalog. */
export interface WrongFingerprint extends WrongImage {
  computed: Digest;
}

/** The hashes of a blob, alone and as the root of images. */
export interface ReadImages {
  /** The SHA-256 of the bytes in the store. */
  digest: Digest;
  /** The images whose metadata is stored, with their computed fingerprints. */
  images: { image: ListedImage; computed: Digest }[];
}

/** How many fingerprints are computed while a root is read once. */
const maxPrefixes = 8;

/** The most bytes of a metadata item that is read into memory. Most have a few KiB. */
const maxMetadataSize = 64 * 1024 * 1024;

/**
 * Reads a blob and hashes it: once, unless more than a few metadata items are used with it.
 * @param reading.onBytes receives the number of bytes read so far
 * @throws HeadwaterError the errors of the store
 */
export async function readImages(
  services: VerifyServices,
  digest: Digest,
  reading: Reading,
): Promise<ReadImages> {
  const { catalog, store, intake } = services;
  const images = await catalog.fingerprints.ofRoot(digest);
  const computed = new Map<string, Digest>();
  let own = digest;
  let left = distinctMetadata(images);
  do {
    const batch = await readMetadata(services, left.slice(0, maxPrefixes));
    left = left.slice(maxPrefixes);
    const prefixes = [Buffer.alloc(0), ...batch.map(({ bytes }) => bytes)];
    const [found = digest, ...fingerprints] = await intake.hash(
      paced(await store.read(digest), reading),
      prefixes,
    );
    own = found;
    for (const [index, metadata] of batch.entries()) {
      computed.set(metadata.digest, fingerprints[index] ?? found);
    }
  } while (left.length > 0 && own === digest);
  return {
    digest: own,
    images: images.flatMap((image) => {
      const fingerprint = image.metadata === undefined ? own : computed.get(image.metadata.digest);
      return fingerprint === undefined ? [] : [{ image, computed: fingerprint }];
    }),
  };
}

/**
 * Compares computed fingerprints with those in the catalog.
 * @param options.repair correct the catalog
 */
export async function checkFingerprints(
  catalog: Catalog,
  { digest: root, images }: ReadImages,
  { repair }: { repair: boolean },
): Promise<WrongFingerprint[]> {
  const wrong = images.filter(({ image, computed }) => image.claimed !== computed);
  if (repair) {
    const right = images.flatMap(({ image: { metadata }, computed: fingerprint }) =>
      metadata === undefined ? [] : [{ metadata: metadata.digest, root, fingerprint }],
    );
    if (right.length > 0) await catalog.fingerprints.record(right);
    for (const { image, computed: fingerprint } of wrong) {
      const { metadata } = image;
      await catalog.fingerprints.correct({
        root,
        fingerprint,
        ...(metadata === undefined ? {} : { metadata: metadata.digest }),
      });
    }
  }
  return wrong.map(({ image: { stream, product, serial, owner, claimed }, computed }) => ({
    ...{ stream, product, serial, owner, claimed, computed },
  }));
}

function distinctMetadata(images: readonly ListedImage[]): string[] {
  const digests = images.flatMap(({ metadata }) =>
    metadata === undefined || metadata.size > maxMetadataSize ? [] : [metadata.digest],
  );
  return [...new Set(digests)];
}

/** The bytes of metadata items that are stored and right. The check of each blob reports the others. */
async function readMetadata(
  { store }: VerifyServices,
  digests: readonly string[],
): Promise<{ digest: string; bytes: Uint8Array }[]> {
  const read: { digest: string; bytes: Uint8Array }[] = [];
  for (const digest of digests) {
    try {
      const bytes = await buffer(await store.read(parseDigest(digest)));
      if (hash('sha256', bytes) === digest) read.push({ digest, bytes });
    } catch (error) {
      if (!isKind(error, 'not-found') && !isUnreadable(error)) throw error;
    }
  }
  return read;
}

async function* paced(
  bytes: AsyncIterable<Uint8Array>,
  { onBytes, pace }: Reading,
): AsyncGenerator<Uint8Array> {
  let done = 0;
  for await (const chunk of bytes) {
    yield chunk;
    done += chunk.length;
    onBytes?.(done);
    await pace?.(chunk.length);
  }
}
