import type { Readable } from 'node:stream';
import type { BlobStore, ByteRange } from '../blobs/blob-store.ts';
import { parseDigest } from '../model/digest.ts';

/** A blob that is being sent. The code that opened it destroys `bytes`, which may not have been read to the end. */
export interface BlobBody {
  /** The bytes of the blob, or the range of them. */
  bytes: Readable;
  /** How many bytes were announced. */
  length: number;
}

/**
 * Opens a blob that the catalog names, to send it. Resolves once the store has answered, so that a store that is down,
 * or that does not have the whole blob, causes an error before any header, never a truncated response.
 */
export async function openBlob(
  store: Pick<BlobStore, 'read'>,
  blob: { digest: string; size: number; range?: ByteRange },
): Promise<BlobBody> {
  const { size, range = { start: 0, end: size - 1 } } = blob;
  const bytes = await store.read(parseDigest(blob.digest), size === 0 ? undefined : { ...range, of: size });
  // It may fail before it is sent; the transfer then reports the error.
  bytes.on('error', () => undefined);
  return { bytes, length: range.end - range.start + 1 };
}
