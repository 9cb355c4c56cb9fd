import type { Readable } from 'node:stream';
import parseRange from 'range-parser';
import type { ByteRange } from '../../blobs/blob-store.ts';
import type { GeneratedFiles } from '../../catalog/generated/generated-files.ts';
import type { Products } from '../../catalog/products/products.ts';
import { defined } from '../../model/defined.ts';
import { type Digest, parseDigest } from '../../model/digest.ts';
import { type GeneratedKind, generatedFileName } from '../../model/generated-files.ts';
import type { ProductKey } from '../../model/names.ts';
import type { Item } from '../../model/versions.ts';
import { catalogFile } from '../../simplestreams/write/paths.ts';
import { openBlob } from '../blob-body.ts';
import type { Context } from '../context.ts';
import { sendBytes } from '../send-bytes.ts';
import { readableAnywhere } from './send-document.ts';

/** How long a presigned link works, in seconds: long enough to begin a download, and a client follows it at once. */
const presignedSeconds = 900;

/** An image file that was asked for. */
export interface ImageFile extends Pick<Item, 'file' | 'digest' | 'size'> {
  stream: string;
  publishedAt: Date;
  /** Not public, even in a public stream. */
  hidden: boolean;
}

/** What is needed to send an image file. */
type SentFile = Pick<ImageFile, 'digest' | 'size' | 'publishedAt'>;
/** Where the files of versions are looked up. */
export interface VersionFiles {
  products: Products;
  /** The files that Headwater made, and the kinds that are served. */
  generated: { files: GeneratedFiles; served: readonly GeneratedKind[] };
}

/** Where the bytes of image files come from. */
export interface ImageBytes {
  read(digest: Digest, range?: ByteRange): Promise<Readable>;
  /** A link to the bytes; undefined where a client must get them through the server. */
  presign?:
    | ((
        digest: Digest,
        options: { expiresInSeconds: number; method: 'GET' | 'HEAD' },
      ) => Promise<string | undefined>)
    | undefined;
}

/** The file of a version at the segments of a path after `images`, whether or not it exists. */
export function versionFileAt(
  segments: string[],
): { key: ProductKey & { place: string }; serial: string; file: string } | undefined {
  const place = segments.length === 7 ? segments[0] : '';
  const [os, release, architecture, variant, serial, file] = segments.slice(-6);
  if (segments.length < 6 || segments.length > 7 || place === undefined) return undefined;
  if (os === undefined || release === undefined || architecture === undefined) return undefined;
  if (variant === undefined || serial === undefined || file === undefined) return undefined;
  return {
    key: { place, os, release, architecture, variant },
    // Clients of other servers know serials with a colon.
    serial: serial.replace(/^(\d{8}_\d{2}):(\d{2})$/, '$1$2'),
    file,
  };
}

/** The image file at the segments of a path after `images`, or undefined. */
export async function findImageFile(
  { products, generated }: VersionFiles,
  segments: string[],
): Promise<ImageFile | undefined> {
  const at = versionFileAt(segments);
  if (at === undefined) return undefined;
  const item = await products.file(at.key, at.serial, catalogFile(at.file));
  const kind = generated.served.find((each) => generatedFileName(each) === at.file);
  if (item !== undefined || kind === undefined) return item;
  return (await generated.files.ofVersion(at.key, at.serial)).find((file) => file.kind === kind);
}

/**
 * Answers GET or HEAD with an image file, whole or a range of it (RFC 9110, section 14). The file of a version never
 * changes, so its SHA-256 is its entity tag and caches may keep it for ever.
 */
export async function sendImageFile(
  context: Context,
  image: SentFile,
  options: { images: ImageBytes; redirect: boolean; shared: boolean },
): Promise<void> {
  const digest = parseDigest(image.digest);
  const etag = `"${digest}"`;
  context.set(readableAnywhere);
  const method = context.method === 'HEAD' ? 'HEAD' : 'GET';
  const link = options.redirect
    ? await options.images.presign?.(digest, { expiresInSeconds: presignedSeconds, method })
    : undefined;
  if (link !== undefined) {
    context.set('Cache-Control', 'no-store');
    context.status = 307;
    context.redirect(link);
    return;
  }
  context.set({
    'Accept-Ranges': 'bytes',
    'Cache-Control': `${options.shared ? 'public' : 'private'}, max-age=31536000, immutable`,
    ETag: etag,
    'Last-Modified': image.publishedAt.toUTCString(),
    'Content-Type': 'application/octet-stream',
  });
  context.status = 200;
  if (context.fresh) {
    context.status = 304;
    return;
  }
  const range = wantedRange(context, image, etag);
  if (range === 'unsatisfiable') {
    context.set('Content-Range', `bytes */${image.size}`);
    context.set('Cache-Control', 'no-store');
    context.status = 416;
    context.body = '';
    return;
  }
  const length = range === undefined ? image.size : range.end - range.start + 1;
  if (range !== undefined) {
    context.status = 206;
    context.set('Content-Range', `bytes ${range.start}-${range.end}/${image.size}`);
  }
  context.length = length;
  if (context.method === 'HEAD') return;
  // Who left while the file was looked up needs no bytes.
  if (context.res.destroyed) return;
  // Awaited before any header is sent: a store that is down is a 503, never a 200 cut short.
  const body = await openBlob(options.images, { ...image, ...defined({ range }) });
  context.respond = false;
  await sendBytes(context.res, [body]);
}

function wantedRange(
  context: Context,
  image: SentFile,
  etag: string,
): ByteRange | 'unsatisfiable' | undefined {
  const header = context.get('Range');
  if (header === '' || !rangeStillMeant(context.get('If-Range'), image, etag)) return undefined;
  const ranges = parseRange(image.size, header);
  if (ranges === -1) return 'unsatisfiable';
  // Of several ranges, or of something else than bytes, the whole may be sent instead (RFC 9110, section 14.2).
  if (ranges === -2 || ranges.type !== 'bytes' || ranges.length !== 1) return undefined;
  return ranges[0];
}

/** RFC 9110, section 13.1.5: a strong entity tag, or the exact date. */
function rangeStillMeant(condition: string, image: SentFile, etag: string): boolean {
  return condition === '' || condition === etag || condition === image.publishedAt.toUTCString();
}
