import type { ServerResponse } from 'node:http';
import type { BlobBody } from './blob-body.ts';
import { BlobTransfer } from './blob-transfer.ts';
import { writeAllowance } from './write-allowance.ts';

/** Bytes of a body in memory that are written at once, at most: TLS makes a copy of what is written. */
export const memoryPieceSize = 64 * 1024;

/**
 * Sends text and blobs, one after the other, as the body of a response whose status and headers are set, no faster than
 * the client takes them. It closes the blobs, which must have no other readers. Once the headers are sent, no other
 * response is possible: when the bytes fail, the connection breaks, so that the client never mistakes a part for the
 * whole.
 * @throws the error of the bytes; a client that disconnects is not an error
 */
export async function sendBytes(response: ServerResponse, body: (Uint8Array | BlobBody)[]): Promise<void> {
  // The first bytes may take their time when they come from an upstream: the client should know that the response has
  // begun.
  response.flushHeaders();
  try {
    for (const part of body) {
      const isOpen =
        part instanceof Uint8Array
          ? await sendPieces(response, part, memoryPieceSize)
          : await new BlobTransfer(response, part).run();
      if (!isOpen) return;
    }
    response.end();
  } catch (error) {
    if (response.destroyed) return;
    response.destroy();
    throw error;
  } finally {
    for (const part of body) if (!(part instanceof Uint8Array)) part.bytes.destroy();
  }
}

/**
 * Sends chunks as the body of a response whose status and headers are set, no faster than the client takes them, and ends the
 * response. When they fail, the connection breaks.
 * @param chunks each is valid until the next one is asked for
 * @returns whether the system took all bytes for the client; false when it left before
 * @throws the error of the chunks, unless the client has left
 */
export async function sendChunks(
  response: ServerResponse,
  chunks: AsyncIterable<Uint8Array>,
): Promise<boolean> {
  response.flushHeaders();
  try {
    for await (const chunk of chunks) {
      if (!(await sendPieces(response, chunk, memoryPieceSize))) return false;
    }
  } catch (error) {
    if (response.destroyed) return false;
    response.destroy();
    throw error;
  }
  return await new Promise((resolve) => {
    response.once('close', () => resolve(response.writableFinished));
    response.end(() => resolve(response.writableFinished));
    if (response.destroyed) resolve(response.writableFinished);
  });
}

/**
 * Writes bytes piece by piece, each when the client has received the previous ones, whatever the high-water mark of the
 * response: by default it is 16 KiB in Node.js 20 and 64 KiB since 22, which is four of the smallest chunks for each
 * download.
 * @returns whether the response can take more; false when the client has left
 */
export async function sendPieces(
  response: ServerResponse,
  bytes: Uint8Array,
  size: number,
): Promise<boolean> {
  for (let offset = 0; offset < bytes.length; ) {
    const next = offset + writeAllowance(response, Math.min(size, bytes.length - offset));
    if (!(await sendPiece(response, bytes.subarray(offset, next)))) return false;
    offset = next;
  }
  return true;
}

/** @returns whether the response can take more; false when the client has left */
async function sendPiece(response: ServerResponse, piece: Uint8Array): Promise<boolean> {
  return await new Promise((resolve) => {
    const onClose = () => resolve(false);
    response.once('close', onClose);
    response.write(piece, (error) => {
      response.off('close', onClose);
      resolve(!error && !response.destroyed);
    });
    if (response.destroyed) onClose();
  });
}
