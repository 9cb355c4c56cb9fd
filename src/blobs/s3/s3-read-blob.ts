import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { HeadwaterError, isKind } from '../../errors.ts';
import type { Digest } from '../../model/digest.ts';
import type { ByteRange } from '../blob-store.ts';
import { assertSize, DamagedBlobError } from '../damaged-blob.ts';
import type { S3Bucket } from './s3-bucket.ts';
import type { S3Client } from './s3-client.ts';
import { S3Read } from './s3-read.ts';

/**
 * The bytes of a blob in a bucket, whole or a range of it. Resolves when the service has answered and the answer agrees
 * with what is known of the blob.
 * @throws HeadwaterError `not-found`; `invalid` for a range beyond the blob; DamagedBlobError for one of another size
 */
export async function readBlob(
  { bucket, client }: { bucket: S3Bucket; client: S3Client },
  { digest, key }: { digest: Digest; key: string },
  range?: ByteRange,
): Promise<Readable> {
  const get = async (wanted?: ByteRange): Promise<IncomingMessage> => {
    const response = await bucket.get(key, wanted);
    if (response !== undefined) return response;
    throw new HeadwaterError('not-found', `blob sha256:${digest} is not in the store`);
  };
  const response = await get(range).catch((error: unknown) => {
    const isBeyond = isKind(error, 'invalid');
    if (!isBeyond || range?.of === undefined || range.start >= range.of) throw error;
    throw new DamagedBlobError(digest, `does not have its ${range.of} bytes in the store`, { cause: error });
  });
  try {
    if (range !== undefined) assertSize(digest, wholeSizeOf(response), range.of);
  } catch (error) {
    response.destroy();
    throw error;
  }
  const start = range?.start ?? 0;
  const stop = start + lengthOf(response);
  if (start === stop) {
    response.resume();
    return Readable.from([], { objectMode: false });
  }
  return new S3Read(response, {
    start,
    stop,
    reopen: (from, to) => get({ start: from, end: to - 1 }),
    retry: client.settings.retry,
    explain: (error) => client.explain(error),
  });
}

function lengthOf(response: IncomingMessage): number {
  const length = Number(response.headers['content-length']);
  if (Number.isSafeInteger(length)) return length;
  response.destroy();
  throw new HeadwaterError('unavailable', 'the S3 service does not tell how many bytes it sends');
}

/** The size of the object that an answer is a range of (RFC 9110, section 14.4). */
function wholeSizeOf(response: IncomingMessage): number {
  return Number(/\/(\d+)$/.exec(response.headers['content-range'] ?? '')?.[1]);
}
