import type { Router } from '@koa/router';
import type { Context } from 'koa';
import { type Digest, parseDigest } from '../../blobs/digest.ts';
import { HeadwaterError } from '../../errors.ts';
import { type ApiParts, identityOf, parameter } from './parts.ts';
import { type Part, WrongOffset } from './uploads.ts';

/** Sending blobs: what is there is not sent again, what broke goes on. */
export function blobRoutes(router: Router, { catalog, store, destination, uploads, access }: ApiParts): void {
  const isKept = async (digest: Digest) => {
    const record = await catalog.blobs.find(digest);
    return record !== undefined && (await store.stat(digest))?.size === record.size ? record : undefined;
  };

  router.head('/blobs/:digest', async (context) => {
    const digest = parseDigest(parameter(context, 'digest'));
    access.demandAny(identityOf(context), 'publish');
    const kept = await isKept(digest);
    context.body = null;
    context.status = kept === undefined ? 404 : 200;
    if (kept === undefined) context.set('Upload-Offset', String(await uploads.offset(digest)));
    else context.set('Blob-Size', String(kept.size));
  });

  router.put('/blobs/:digest', async (context) => {
    const digest = parseDigest(parameter(context, 'digest'));
    access.demandAny(identityOf(context), 'publish');
    const kept = await isKept(digest);
    if (kept !== undefined) {
      context.req.resume();
      context.body = { digest: `sha256:${digest}`, size: kept.size };
      return;
    }
    const named = context.query['metadata'];
    const metadata =
      typeof named === 'string'
        ? await destination.keep({ from: 'blob', name: 'metadata', digest: parseDigest(named) })
        : undefined;
    try {
      const { size } = await uploads.receive(digest, partOf(context), context.req, metadata);
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
