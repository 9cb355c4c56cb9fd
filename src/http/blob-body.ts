import type { Readable } from 'node:stream';
import type { BlobStore, ByteRange } from '../blobs/blob-store.ts';
import { parseDigest } from '../model/digest.ts';

/** A blob that is being sent. The one who opened it destroys `bytes`, which may not have been read to the end. */
export interface BlobBody {
  /** The bytes of the blob, or the range of them. */
  bytes: Readable;
  /** How many bytes were announced. */
  length: number;
}

/**
 * Opens a blob that the catalog names, to be sent. Resolves once the store has answered, so that one that is down, or
 * that has not the whole blob, is an error before any header, never an answer cut short.
 */
export async function openBlob(
  store: Pick<BlobStore, 'read'>,
  blob: { digest: string; size: number; range?: ByteRange },
): Promise<BlobBody> {
  const { size, range = { start: 0, end: size - 1 } } = blob;
  const bytes = await store.read(parseDigest(blob.digest), size === 0 ? undefined : { ...range, of: size });
  // It may fail before it is its turn to be sent; the transfer says so then.
  bytes.on('error', () => undefined);
  return { bytes, length: range.end - range.start + 1 };
}
