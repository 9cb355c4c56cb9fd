import type { Readable } from 'node:stream';
import type { BlobStore, ByteRange } from '../blobs/blob-store.ts';
import { parseDigest } from '../blobs/digest.ts';

/**
 * Opens a blob that the catalog names, to be sent. Resolves once the store has answered, so that one that is down, or
 * that has not the whole blob, is an error before any header, never an answer cut short.
 * @returns its bytes, or the range of them; they fail when there are fewer than announced
 */
export async function openBlob(
  store: Pick<BlobStore, 'read'>,
  blob: { digest: string; size: number; range?: ByteRange },
): Promise<AsyncGenerator<Uint8Array>> {
  const { size, range = { start: 0, end: size - 1 } } = blob;
  const bytes = await store.read(parseDigest(blob.digest), size === 0 ? undefined : { ...range, of: size });
  return exactly(bytes, range.end - range.start + 1);
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
