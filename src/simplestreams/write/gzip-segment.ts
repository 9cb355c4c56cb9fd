import { createHash, hash } from 'node:crypto';
import { promisify } from 'node:util';
import { constants, crc32, deflateRaw } from 'node:zlib';
import { combineCrc32 } from './crc32-combine.ts';

const compress = promisify(deflateRaw);

/** A part of a document, compressed so that it can be anywhere in a gzip stream. */
export interface GzipSegment {
  plain: Buffer;
  /** Deflate blocks, none of them final, ending on a byte boundary and referring to nothing before them. */
  deflated: Buffer;
  crc: number;
  /** SHA-256 of the plain bytes. */
  hash: Buffer;
}

/** A document as it is served. Immutable. */
export interface Document {
  /** Its bytes, in the order they are sent. */
  plain: Buffer[];
  plainLength: number;
  gzip: Buffer;
  /** Strong entity tags, with their quotes, of the two forms (RFC 9110, section 8.8.3). */
  etag: string;
  gzipEtag: string;
  /** Its media type; `application/json` when left out. */
  type?: string;
}

/** Compresses a part of a text, off the main thread. */
export async function gzipSegment(text: string | Uint8Array): Promise<GzipSegment> {
  const plain =
    typeof text === 'string' ? Buffer.from(text) : Buffer.from(text.buffer, text.byteOffset, text.length);
  // A full flush ends on a byte boundary and forgets the window, so segments can be put together in any order
  // (RFC 1951, section 3.2.4, and zlib's manual on Z_FULL_FLUSH).
  const deflated = await compress(plain, { level: 6, finishFlush: constants.Z_FULL_FLUSH });
  return { plain, deflated, crc: crc32(plain), hash: hash('sha256', plain, 'buffer') };
}

const gzipHeader = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
const finalBlock = Buffer.from([3, 0]);

/**
 * Combines segments: one gzip member (RFC 1952) and the plain bytes, without compressing anything again.
 * @param type {@link Document.type}
 */
export function assemble(segments: GzipSegment[], type?: string): Document {
  let crc = 0;
  let length = 0;
  const tag = createHash('sha256');
  for (const segment of segments) {
    crc = combineCrc32(crc, segment.crc, segment.plain.length);
    length += segment.plain.length;
    tag.update(segment.hash);
  }
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc, 0);
  trailer.writeUInt32LE(length % 2 ** 32, 4);
  const gzip = Buffer.concat([
    gzipHeader,
    ...segments.map((segment) => segment.deflated),
    finalBlock,
    trailer,
  ]);
  const etag = tag.digest('hex').slice(0, 32);
  return {
    plain: segments.map((segment) => segment.plain),
    plainLength: length,
    gzip,
    etag: `"${etag}"`,
    gzipEtag: `"${etag}-gzip"`,
    ...(type === undefined ? {} : { type }),
  };
}
