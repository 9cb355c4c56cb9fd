import type { ServerResponse } from 'node:http';
import { recycle } from '../files/chunk-pool.ts';

/** A client that takes longer for a chunk is slow, in milliseconds. */
const slowAfter = 1000;
/**
 * Bytes that a slow client is sent at once. The system tells only of a whole piece that it was taken, and a client that
 * takes nothing for long is disconnected.
 */
const slowPiece = 16 * 1024;
/** Bytes of a body in memory that are written at once: TLS makes a copy of what is written. */
export const memoryPiece = 64 * 1024;

/**
 * Sends bytes as the body of a response whose status and headers are set, no faster than the client takes them. The
 * chunks must be nobody else's.
 * Once the headers are on their way nothing else can be answered: when the bytes fail, the connection breaks, so that
 * the client never takes what it has for the whole.
 * @throws what the bytes failed with; a client that leaves is no error
 */
export async function sendBytes(response: ServerResponse, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  // The first bytes may take their time when they come from an upstream: the client shall know that they will.
  response.flushHeaders();
  let isSlow = false;
  try {
    for await (const chunk of bytes) {
      const since = performance.now();
      const size = isSlow ? slowPiece : chunk.length;
      if (!(await sendPieces(response, chunk, size, () => recycle(chunk)))) return;
      isSlow = performance.now() - since > slowAfter;
    }
    response.end();
  } catch (error) {
    if (response.destroyed) return;
    response.destroy();
    throw error;
  }
}

/**
 * Writes bytes piece by piece, each when the client has taken those before, whatever the high-water mark of the response:
 * by default it is 16 KiB in Node.js 20 and 64 KiB since 22, which is four of the smallest chunks for each download.
 * @param done called when they were written, or never will be
 * @returns whether the response can take more; false when the client has left
 */
export async function sendPieces(
  response: ServerResponse,
  bytes: Uint8Array,
  size: number,
  done?: () => void,
): Promise<boolean> {
  for (let offset = 0; offset < bytes.length; offset += size) {
    const isLast = offset + size >= bytes.length;
    const sent = await sendPiece(response, bytes.subarray(offset, offset + size), isLast ? done : undefined);
    if (sent) continue;
    if (!isLast) done?.();
    return false;
  }
  return true;
}

/** @returns whether the response can take more; false when the client has left */
async function sendPiece(response: ServerResponse, piece: Uint8Array, done?: () => void): Promise<boolean> {
  return await new Promise((resolve) => {
    const onClose = () => resolve(false);
    response.once('close', onClose);
    response.write(piece, (error) => {
      done?.();
      response.off('close', onClose);
      resolve(!error && !response.destroyed);
    });
    if (response.destroyed) onClose();
  });
}
