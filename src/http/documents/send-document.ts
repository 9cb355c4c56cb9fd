import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Document } from '../../simplestreams/write/gzip-segment.ts';
import { memoryPieceSize, sendPieces } from '../send-bytes.ts';

/** Anyone's web page may read documents: the web interfaces of LXD and Incus do. */
export const readableAnywhere = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Expose-Headers': 'ETag, Content-Length, Content-Range, Accept-Ranges',
};

/** The headers of a document, as Node.js writes them fastest: a flat list. */
interface Headers {
  ok: string[];
  notModified: string[];
}

const headersOf = new WeakMap<Document, Record<'plain' | 'gzip' | 'sharedPlain' | 'sharedGzip', Headers>>();

/**
 * Answers GET or HEAD with a document: gzip when accepted, 304 when the client has it.
 * @param options.shared whether caches on the way may keep it
 * @param options.id the request's id
 * @returns the bytes of the body
 */
export function sendDocument(
  request: IncomingMessage,
  response: ServerResponse,
  document: Document,
  options: { shared: boolean; id: string },
): number {
  const gzip = acceptsGzip(request.headers['accept-encoding']);
  const headers =
    prepareHeaders(document)[
      gzip ? (options.shared ? 'sharedGzip' : 'gzip') : options.shared ? 'sharedPlain' : 'plain'
    ];
  if (matches(request.headers['if-none-match'], gzip ? document.gzipEtag : document.etag)) {
    response.writeHead(304, [...headers.notModified, 'X-Request-Id', options.id]).end();
    return 0;
  }
  response.writeHead(200, [...headers.ok, 'X-Request-Id', options.id]);
  if (request.method === 'HEAD') {
    response.end();
    return 0;
  }
  if (gzip && document.gzip.length <= memoryPieceSize) response.end(document.gzip);
  else void sendAll(response, gzip ? [document.gzip] : document.plain);
  return gzip ? document.gzip.length : document.plainLength;
}

function prepareHeaders(document: Document) {
  const known = headersOf.get(document);
  if (known !== undefined) return known;
  const build = (gzip: boolean, shared: boolean): Headers => {
    const notModified = [
      ...['ETag', gzip ? document.gzipEtag : document.etag, 'Vary', 'Accept-Encoding'],
      // Always asked again: a new version must show at once, and 304 costs next to nothing.
      ...['Cache-Control', shared ? 'no-cache' : 'private, no-cache'],
      ...Object.entries(readableAnywhere).flat(),
    ];
    const length = gzip ? document.gzip.length : document.plainLength;
    const coding = gzip ? ['Content-Encoding', 'gzip'] : [];
    const type = ['Content-Type', document.type ?? 'application/json'];
    return {
      notModified,
      ok: [...notModified, ...type, 'Content-Length', String(length), ...coding],
    };
  };
  const headers = {
    plain: build(false, false),
    gzip: build(true, false),
    sharedPlain: build(false, true),
    sharedGzip: build(true, true),
  };
  headersOf.set(document, headers);
  return headers;
}

/** Sends buffers one after the other, no faster than the client takes them. */
async function sendAll(response: ServerResponse, buffers: Buffer[]): Promise<void> {
  for (const buffer of buffers) {
    if (!(await sendPieces(response, buffer, memoryPieceSize))) return;
  }
  response.end();
}

/** Whether `Accept-Encoding` takes gzip (RFC 9110, section 12.5.3). */
export function acceptsGzip(header: string | string[] | undefined): boolean {
  if (header === undefined) return false;
  let wildcard = false;
  for (const part of String(header).split(',')) {
    const [coding = '', ...parameters] = part
      .trim()
      .toLowerCase()
      .split(/\s*;\s*/);
    const refused = parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter));
    if (coding === 'gzip' || coding === 'x-gzip') return !refused;
    if (coding === '*' && !refused) wildcard = true;
  }
  return wildcard;
}

/** Whether `If-None-Match` names the entity tag (RFC 9110, section 13.1.2: weak comparison). */
function matches(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  if (header === etag || header.trim() === '*') return true;
  return header.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag);
}
