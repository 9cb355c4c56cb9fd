import type { Readable } from 'node:stream';
import type { BlobStore, ByteRange } from '../blobs/blob-store.ts';
import { parseDigest } from '../model/digest.ts';

/** A blob that is being sent. */
export interface BlobBody {
  /** Its bytes, or the range of them; they fail when there are fewer than announced. */
  bytes: AsyncIterable<Uint8Array>;
  /** Gives up what is open, for one whose bytes may not have been read to the end. It may be called more than once. */
  close(): void;
}

/**
 * Opens a blob that the catalog names, to be sent. Resolves once the store has answered, so that one that is down, or
 * that has not the whole blob, is an error before any header, never an answer cut short. The caller closes it.
 */
export async function openBlob(
  store: Pick<BlobStore, 'read'>,
  blob: { digest: string; size: number; range?: ByteRange },
): Promise<BlobBody> {
  const { size, range = { start: 0, end: size - 1 } } = blob;
  const bytes = await store.read(parseDigest(blob.digest), size === 0 ? undefined : { ...range, of: size });
  return { bytes: exactly(bytes, range.end - range.start + 1), close: () => bytes.destroy() };
}

/** The bytes, and an error when there are fewer than announced: the connection then breaks, it does not end. */
async function* exactly(bytes: Readable, length: number): AsyncGenerator<Uint8Array> {
  let sent = 0;
  for await (const chunk of bytes) {
    sent += (chunk as Uint8Array).length;
    yield chunk as Uint8Array;
  }
  if (sent !== length) throw new Error(`a blob ended after ${sent} of ${length} bytes`);
}
