import { keyOf } from '../../access/access.ts';
import { HeadwaterError } from '../../errors.ts';
import { defined } from '../../model/defined.ts';
import { parseDigest } from '../../model/digest.ts';
import { type Part, WrongOffset } from '../../publish/resumable-uploads.ts';
import {
  type Context,
  destinationFor,
  identityOf,
  parameter,
  type RouteContext,
  type Routes,
} from '../context.ts';
import type { ApiServices } from './services.ts';

/**
 * Uploads of blobs: a blob that the uploader may already use is not sent again, and interrupted uploads resume. For all
 * others, a blob does not exist, and they send its bytes.
 */
export function blobRoutes(router: Routes, services: ApiServices): void {
  router.head('/blobs/:digest', (context) => headBlob(context, services));
  router.put('/blobs/:digest', (context) => putBlob(context, services));
}

async function headBlob(context: RouteContext, services: ApiServices): Promise<void> {
  const { uploads, access } = services;
  const digest = parseDigest(parameter(context, 'digest'));
  const key = keyOf(access.demandAny(identityOf(context), 'publish'));
  const size = await destinationFor(context, services).sizeOf(digest);
  context.body = null;
  context.status = size === undefined ? 404 : 200;
  if (size === undefined) context.set('Upload-Offset', String(await uploads.offset(digest, { key })));
  else context.set('Blob-Size', String(size));
}

async function putBlob(context: RouteContext, services: ApiServices): Promise<void> {
  const { uploads, access } = services;
  const digest = parseDigest(parameter(context, 'digest'));
  const key = keyOf(access.demandAny(identityOf(context), 'publish'));
  const destination = destinationFor(context, services);
  // Clients send a stored blob again only to replace a damaged one.
  const isStored = (await destination.sizeOf(digest)) !== undefined;
  const named = context.query['metadata'];
  const metadata =
    typeof named === 'string'
      ? await destination.store({ from: 'blob', name: 'metadata', digest: parseDigest(named) })
      : undefined;
  try {
    const { size } = await uploads.receive(digest, partOf(context), context.req, {
      uploader: { key, destination },
      ...defined({ metadata }),
    });
    context.status = isStored ? 200 : 201;
    context.body = { digest: `sha256:${digest}`, size };
  } catch (error) {
    if (error instanceof WrongOffset) context.set('Upload-Offset', String(error.offset));
    throw error;
  }
}

/** Reads `Content-Range` (RFC 9110, section 14.4), else `Content-Length`. */
function partOf(context: Context): Part {
  const range = context.get('Content-Range');
  const length = context.get('Content-Length');
  if (range === '') return { offset: 0, ...(length === '' ? {} : { total: Number(length) }) };
  const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(range) ?? [];
  const part = { offset: Number(first), last: Number(last), total: Number(total) };
  const isWhole =
    Number.isSafeInteger(part.total) && part.offset <= part.last && part.last === part.total - 1;
  if (total === undefined || !isWhole) {
    throw new HeadwaterError(
      'invalid',
      `Content-Range ${JSON.stringify(range)}: expected "bytes FIRST-LAST/TOTAL" up to the last byte`,
    );
  }
  if (length !== '' && Number(length) !== part.last - part.offset + 1) {
    throw new HeadwaterError(
      'invalid',
      `Content-Length ${length} does not agree with Content-Range ${range}`,
    );
  }
  return { offset: part.offset, total: part.total };
}
