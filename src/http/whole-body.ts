import type { IncomingMessage } from 'node:http';
import { bytesOf } from '../async/bytes-of.ts';
import { HeadwaterError, LimitError } from '../errors.ts';

/** The longest that one may take to arrive, in milliseconds. */
const bodyTimeout = 60_000;

/**
 * Reads a small body whole.
 * @param limit the most that it may have, in bytes
 * @throws HeadwaterError `too-large`, `aborted`
 */
export async function wholeBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  const timer = setTimeout(() => request.destroy(), bodyTimeout);
  try {
    // Left early, the body must stay open: its sender has yet to read the answer.
    for await (const chunk of bytesOf(request, { destroyOnReturn: false })) {
      length += chunk.length;
      if (length > limit) throw new LimitError('bodySize', 'too-large', `the body is over ${limit} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof HeadwaterError) throw error;
    throw new HeadwaterError('aborted', 'the client left before the end of the body', { cause: error });
  } finally {
    clearTimeout(timer);
  }
  return Buffer.concat(chunks);
}
