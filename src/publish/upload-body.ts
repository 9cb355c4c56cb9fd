import type { IncomingMessage } from 'node:http';
import { HeadwaterError } from '../errors.ts';

export function notAnnounced(size: number, total: number): HeadwaterError {
  return new HeadwaterError('invalid', `the body made ${size} bytes of the ${total} that were announced`);
}

/**
 * The bytes of a body.
 * @param progress `broken` is set when the client leaves before the end: then the bytes are right as far as they go
 * @throws HeadwaterError `aborted` when the client leaves
 */
export async function* received(
  body: IncomingMessage,
  progress: { broken: boolean },
): AsyncGenerator<Uint8Array> {
  try {
    // Left early, the body must stay open: its sender has yet to read the answer.
    for await (const chunk of body.iterator({ destroyOnReturn: false })) yield chunk as Uint8Array;
  } catch (error) {
    progress.broken = true;
    throw new HeadwaterError('aborted', 'the client left before the end of the body', { cause: error });
  }
}
