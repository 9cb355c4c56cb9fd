import type { Access, Identity } from '../../access/access.ts';
import type { Document } from '../../simplestreams/write/gzip-segment.ts';
import type { Context } from '../context.ts';
import { requestIdHeader } from '../front.ts';
import { sendDocument } from './send-document.ts';

/** Whether a client may read a file of a version: one that is hidden needs a right, also in a public stream. */
export function mayReadFile(
  access: Access,
  identity: Identity,
  { stream, hidden }: { stream: string; hidden: boolean },
): boolean {
  const target = { stream, names: [] };
  return hidden ? access.may(identity, 'read', target) : access.mayRead(identity, target);
}

/** Answers with a document, if there is one. @param shared whether caches on the way may keep it */
export function answerWithDocument(context: Context, document: Document | undefined, shared: boolean): void {
  if (document === undefined) return;
  context.respond = false;
  context.res.removeHeader('X-Request-Id');
  sendDocument(context.req, context.res, document, { shared, id: context.get(requestIdHeader) });
}

/** Clients pin the file: no cache may keep an old one. */
export function answerWithKeys(context: Context, keys: Buffer | string | undefined): void {
  if (keys === undefined) return;
  context.set({ 'Cache-Control': 'no-cache', 'Content-Type': 'application/pgp-keys' });
  context.body = keys;
}

/**
 * A browser sends this request first when a page of another site sends its own headers (https://fetch.spec.whatwg.org).
 */
export function answerPreflight(context: Context): void {
  context.set('Access-Control-Allow-Methods', 'GET, HEAD, OPTIONS');
  context.set(
    'Access-Control-Allow-Headers',
    'Accept, Authorization, Cache-Control, If-None-Match, If-Range, Range',
  );
  context.set('Access-Control-Max-Age', '86400');
  context.status = 204;
}
