import { Stream } from 'node:stream';
import type { Middleware } from './context.ts';
import { memoryPieceSize, sendPieces } from './send-bytes.ts';

/**
 * Sends long JSON and text in pieces, each when the client has received the previous ones. Koa would write everything
 * at once: TLS would copy it, and a slow client could not be distinguished from one that reads nothing.
 */
export const sendLongBody: Middleware = async (context, next) => {
  await next();
  const { body, status, method } = context;
  if (context.respond === false || method === 'HEAD' || [204, 205, 304].includes(status)) return;
  const text = textOf(body);
  if (text === undefined) return;
  // The content type that was set for an object stays.
  context.body = text;
  if (text.length <= memoryPieceSize) return;
  const bytes = Buffer.from(text);
  context.length = bytes.length;
  context.respond = false;
  if (await sendPieces(context.res, bytes, memoryPieceSize)) context.res.end();
};

function textOf(body: unknown): string | undefined {
  if (typeof body === 'string') return body;
  const isJson =
    typeof body === 'object' && body !== null && !(body instanceof Stream) && !Buffer.isBuffer(body);
  return isJson ? JSON.stringify(body) : undefined;
}
