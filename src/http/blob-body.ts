import type { Readable } from 'node:stream';
import type { BlobStore, ByteRange } from '../blobs/blob-store.ts';
import { parseDigest } from '../blobs/digest.ts';
import { HeadwaterError } from '../errors.ts';

/**
 * Opens a blob that the catalog names, to be sent. Resolves once the store has answered, so that one that is down is
 * an error before any header, never an answer cut short.
 * @returns its bytes, or the range of them; they fail when there are fewer than announced
 */
export async function openBlob(
  store: Pick<BlobStore, 'read'>,
  blob: { digest: string; size: number; range?: ByteRange },
): Promise<AsyncGenerator<Uint8Array>> {
  const digest = parseDigest(blob.digest);
  const length = blob.range === undefined ? blob.size : blob.range.end - blob.range.start + 1;
  try {
    return exactly(await store.read(digest, blob.range), length);
  } catch (error) {
    if (!(error instanceof HeadwaterError)) throw error;
    if (error.kind === 'not-found')
      throw new Error(`blob sha256:${digest} is in the catalog but not in the store`, { cause: error });
    // The range lies within the size that the catalog knows.
    if (error.kind === 'invalid')
      throw new Error(`blob sha256:${digest} is shorter in the store than its ${blob.size} bytes`, {
        cause: error,
      });
    throw error;
  }
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
