import type { IncomingMessage } from 'node:http';
import { bytesOf } from '../async/bytes-of.ts';
import { HeadwaterError } from '../errors.ts';

export function notAnnounced(size: number, total: number): HeadwaterError {
  return new HeadwaterError('invalid', `the body made ${size} bytes of the ${total} that were announced`);
}

/**
 * The bytes of a body.
 * @param progress `broken` is set when the client disconnects before the end: the bytes up to there are right
 * @throws HeadwaterError `aborted` when the client disconnects
 */
export async function* received(
  body: IncomingMessage,
  progress: { broken: boolean },
): AsyncGenerator<Uint8Array> {
  try {
    // If reading stops early, the body must stay open: its sender has yet to read the response.
    yield* bytesOf(body, { destroyOnReturn: false });
  } catch (error) {
    progress.broken = true;
    throw new HeadwaterError('aborted', 'the client left before the end of the body', { cause: error });
  }
}
