import { keyOf } from '../../access/access.ts';
import { HeadwaterError } from '../../errors.ts';
import { defined } from '../../model/defined.ts';
import { parseDigest } from '../../model/digest.ts';
import { type Part, WrongOffset } from '../../publish/resumable-uploads.ts';
import { type Context, destinationFor, identityOf, parameter, type Routes } from '../context.ts';
import type { ApiServices } from './services.ts';

/**
 * Sending blobs: what the uploader may use already is not sent again, and what broke is continued. To everybody else a blob
 * does not exist, and they send its bytes.
 */
export function blobRoutes(router: Routes, services: ApiServices): void {
  const { uploads, access } = services;

  router.head('/blobs/:digest', async (context) => {
    const digest = parseDigest(parameter(context, 'digest'));
    const key = keyOf(access.demandAny(identityOf(context), 'publish'));
    const size = await destinationFor(context, services).sizeOf(digest);
    context.body = null;
    context.status = size === undefined ? 404 : 200;
    if (size === undefined) context.set('Upload-Offset', String(await uploads.offset(digest, { key })));
    else context.set('Blob-Size', String(size));
  });

  router.put('/blobs/:digest', async (context) => {
    const digest = parseDigest(parameter(context, 'digest'));
    const key = keyOf(access.demandAny(identityOf(context), 'publish'));
    const destination = destinationFor(context, services);
    const kept = await destination.sizeOf(digest);
    if (kept !== undefined) {
      context.req.resume();
      context.body = { digest: `sha256:${digest}`, size: kept };
      return;
    }
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
      context.status = 201;
      context.body = { digest: `sha256:${digest}`, size };
    } catch (error) {
      if (error instanceof WrongOffset) context.set('Upload-Offset', String(error.offset));
      throw error;
    }
  });
}

/** Reads `Content-Range` (RFC 9110, section 14.4), else `Content-Length`. */
function partOf(context: Context): Part {
  const range = context.get('Content-Range');
  const length = context.get('Content-Length');
  if (range === '') return { offset: 0, ...(length === '' ? {} : { total: Number(length) }) };
  const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(range) ?? [];
  const part = { offset: Number(first), last: Number(last), total: Number(total) };
  const whole = Number.isSafeInteger(part.total) && part.offset <= part.last && part.last === part.total - 1;
  if (total === undefined || !whole) {
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
