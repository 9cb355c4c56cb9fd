import type { ServerResponse } from 'node:http';
import { recycle } from '../blobs/chunk-pool.ts';

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
  try {
    for await (const chunk of bytes) {
      const ready = response.write(chunk, () => recycle(chunk));
      if (!ready && !(await drained(response))) return;
    }
    response.end();
  } catch (error) {
    if (response.destroyed) return;
    response.destroy();
    throw error;
  }
}

/** @returns whether the response can take more; false when the client has left */
async function drained(response: ServerResponse): Promise<boolean> {
  if (response.destroyed) return false;
  return await new Promise((resolve) => {
    const settle = (open: boolean) => {
      response.off('drain', onDrain).off('close', onClose);
      resolve(open);
    };
    const onDrain = () => settle(true);
    const onClose = () => settle(false);
    response.once('drain', onDrain).once('close', onClose);
  });
}
