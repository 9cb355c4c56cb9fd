import type { ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { recycle } from '../../blobs/chunk-pool.ts';

/**
 * Sends bytes as the body of a response whose status and headers are set, no faster than the client takes them.
 * Once the headers are on their way nothing else can be answered: when the bytes fail, or end before `length` of
 * them, the connection breaks, so that the client never takes what it has for the whole.
 * @throws what the bytes failed with; a client that leaves is no error
 */
export async function sendBytes(response: ServerResponse, bytes: Readable, length: number): Promise<void> {
  const left = () => void bytes.destroy();
  response.once('close', left);
  let sent = 0;
  try {
    for await (const chunk of bytes as AsyncIterable<Buffer>) {
      sent += chunk.length;
      const ready = response.write(chunk, () => recycle(chunk));
      if (!ready && !(await drained(response))) return;
    }
    if (sent !== length) throw new Error(`a blob ended after ${sent} of ${length} bytes`);
    response.end();
  } catch (error) {
    if (response.destroyed) return;
    response.destroy();
    throw error;
  } finally {
    response.off('close', left);
    bytes.destroy();
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
