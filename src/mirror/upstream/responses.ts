import type { Dispatcher } from 'undici';
import { bytesOf } from '../../async/bytes-of.ts';
import { HeadwaterError } from '../../errors.ts';
import { defined } from '../../model/defined.ts';
import type { Validators } from './documents.ts';
import { WrongBytes } from './retry-elsewhere.ts';

/** A response without its body. */
type ResponseHead = Pick<Dispatcher.ResponseData, 'statusCode' | 'headers'>;

/** The largest accepted document, in bytes. */
const maxDocumentSize = 256 * 1024 * 1024;

/**
 * Headers that request the rest of a file (RFC 9110, sections 14.2 and 13.1.5).
 * @param validator of the bytes so far; without one, only the digest of the file shows whether the two parts belong together
 */
export function rangeFrom(at: number, validator: string | undefined): Record<string, string> {
  if (at === 0) return {};
  return { range: `bytes=${at}-`, ...defined({ 'if-range': validator }) };
}

/**
 * How many bytes of a response to skip to resume at `at`: a server that ignores Range sends the file from its beginning.
 * @param known the validator of the bytes so far
 * @throws WrongBytes when the file is not as large as announced, or has changed
 */
export function bytesToSkip(
  response: ResponseHead,
  file: { path: string; size: number; at: number },
  known: string | undefined,
): number {
  const { path, size, at } = file;
  if (response.statusCode === 206) {
    const [, start, total] =
      /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(String(response.headers['content-range'])) ?? [];
    if (total !== undefined && total !== '*' && Number(total) !== size) throw otherSize(path, size, total);
    if (start !== undefined && Number(start) <= at) return at - Number(start);
    throw new HeadwaterError('unavailable', `${path}: the upstream sent another range than requested`);
  }
  const length = response.headers['content-length'];
  if (length !== undefined && Number(length) > size) throw otherSize(path, size, String(length));
  const validator = validatorOf(response);
  if (at > 0 && known !== undefined && validator !== undefined && validator !== known) {
    throw new WrongBytes(`${path}: the upstream's file changed while it was fetched`);
  }
  return at;
}

/** Identifies the state of a file: a strong ETag, or the time of the last change. */
export function validatorOf({ headers }: ResponseHead): string | undefined {
  const etag = headers['etag'];
  if (typeof etag === 'string' && !etag.startsWith('W/')) return etag;
  const modified = headers['last-modified'];
  return typeof modified === 'string' ? modified : undefined;
}

/** The validators for a conditional request for a document. */
export function validatorsOf({ headers }: Dispatcher.ResponseData): Validators {
  const { etag, 'last-modified': lastModified } = headers;
  return {
    ...(typeof etag === 'string' ? { etag } : {}),
    ...(typeof lastModified === 'string' ? { lastModified } : {}),
  };
}

/**
 * Discards a response that `look` rejects: an unread body would keep its connection.
 * @throws the errors of `look`
 */
export function orDiscard<Found>({ body }: Dispatcher.ResponseData, look: () => Found): Found {
  try {
    return look();
  } catch (error) {
    body.on('error', () => undefined).destroy();
    throw error;
  }
}

/** Reads a body into one buffer, allocated at once where the length is known: documents are large. */
export async function readBody(response: Dispatcher.ResponseData, path: string): Promise<Buffer> {
  const { headers, body } = response;
  const length = Number(headers['content-length'] ?? Number.NaN);
  const known = Number.isSafeInteger(length);
  orDiscard(response, () => {
    if (known && length > maxDocumentSize) throw tooLong(path, maxDocumentSize);
  });
  let bytes = Buffer.allocUnsafeSlow(known ? length : 1024 * 1024);
  let filled = 0;
  for await (const chunk of bytesOf(body)) {
    if (filled + chunk.length > maxDocumentSize) throw tooLong(path, maxDocumentSize);
    if (filled + chunk.length > bytes.length) {
      bytes = Buffer.concat([bytes.subarray(0, filled)], Math.max(2 * bytes.length, filled + chunk.length));
    }
    bytes.set(chunk, filled);
    filled += chunk.length;
  }
  if (known && filled < length)
    throw new HeadwaterError('unavailable', `${path}: the upstream sent only part of it`);
  return bytes.subarray(0, filled);
}

export function tooLong(path: string, size: number): WrongBytes {
  return new WrongBytes(`${path}: the upstream sends more than ${size} bytes`);
}

export function incomplete(path: string, came: number, size: number): HeadwaterError {
  return new HeadwaterError('unavailable', `${path}: the upstream sent ${came} bytes of ${size}`);
}

function otherSize(path: string, size: number, found: string): WrongBytes {
  return Number(found) > size
    ? tooLong(path, size)
    : new WrongBytes(`${path}: the upstream has ${found} bytes, but its document says ${size}`);
}
