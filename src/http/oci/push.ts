import { keyOf } from '../../access/access.ts';
import { HeadwaterError } from '../../errors.ts';
import { isDigest, parseDigest } from '../../model/digest.ts';
import { isRepositoryName } from '../../oci/names.ts';
import { type ImagePushes, MissingBlob, type Pusher } from '../../oci/push/image-push.ts';
import { type PendingBlobs, WrongPart } from '../../oci/push/pending-blobs.ts';
import { type Context, parameter, type RouteContext, type Routes } from '../context.ts';
import { wholeBody } from '../whole-body.ts';
import { OciError } from './errors.ts';

/** The largest manifest, in bytes (Distribution Specification 1.1, "Pushing Manifests": at least 4 MiB). */
const maxManifest = 4 * 1024 * 1024;

/** The services of the routes that write. */
export interface PushServices {
  pushes: ImagePushes;
  pending: PendingBlobs;
  /** The sender of a push to a repository. @throws OciError `unauthorized` without a token for it */
  pusherOf: (context: Context, repository: string) => Pusher;
}

/** Uploads of blobs, and manifests that make versions of them (Distribution Specification 1.1, "Push"). */
export function pushRoutes(router: Routes, services: PushServices): void {
  const { pending } = services;

  router.post('/v2/*name/blobs/uploads/', async (context) => {
    const owner = await demandUploader(context, services);
    const id = await pending.begin(owner);
    const digest = single(context, 'digest');
    // A blob of another repository is uploaded again (`mount`): its bytes would not show who may use them.
    if (digest === undefined) describeUpload(context, id, 0, 202);
    else await finish(context, services, owner, id, digest);
  });

  router.get('/v2/*name/blobs/uploads/:upload', async (context) => {
    const owner = await demandUploader(context, services);
    const id = parameter(context, 'upload');
    describeUpload(context, id, sizeOf(pending, owner, id), 204);
  });

  router.patch('/v2/*name/blobs/uploads/:upload', async (context) => {
    const owner = await demandUploader(context, services);
    const id = parameter(context, 'upload');
    const size = await append(context, services, owner, id);
    describeUpload(context, id, size, 202);
  });

  router.put('/v2/*name/blobs/uploads/:upload', async (context) => {
    const owner = await demandUploader(context, services);
    const digest = single(context, 'digest');
    if (digest === undefined) throw new OciError('usage', 'DIGEST_INVALID', 'the digest is missing');
    await finish(context, services, owner, parameter(context, 'upload'), digest);
  });

  router.delete('/v2/*name/blobs/uploads/:upload', async (context) => {
    const owner = await demandUploader(context, services);
    const id = parameter(context, 'upload');
    sizeOf(pending, owner, id);
    await pending.cancel(owner, id);
    context.status = 204;
  });

  router.put('/v2/*name/manifests/:reference', async (context) => {
    const name = demandName(context);
    const pusher = services.pusherOf(context, name);
    await services.pushes.place(pusher.identity, name);
    const bytes = await wholeBody(context.req, maxManifest);
    const type = context.get('Content-Type').split(';')[0]?.trim() ?? '';
    try {
      const digest = await services.pushes.push(
        name,
        parameter(context, 'reference'),
        { bytes, type },
        pusher,
      );
      context.status = 201;
      context.set('Location', `/v2/${name}/manifests/sha256:${digest}`);
      context.set('Docker-Content-Digest', `sha256:${digest}`);
      context.body = '';
    } catch (error) {
      if (error instanceof MissingBlob) {
        throw new OciError('not-found', 'MANIFEST_BLOB_UNKNOWN', error.message);
      }
      if (error instanceof HeadwaterError && error.kind === 'invalid') {
        throw new OciError('invalid', 'MANIFEST_INVALID', error.message);
      }
      throw error;
    }
  });
}

/** The uploader of a blob to the repository of the path, which may publish there. @throws OciError, HeadwaterError */
async function demandUploader(context: RouteContext, services: PushServices): Promise<string> {
  const name = demandName(context);
  const { identity } = services.pusherOf(context, name);
  await services.pushes.place(identity, name);
  return keyOf(identity);
}

function demandName(context: RouteContext): string {
  const name = parameter(context, 'name');
  if (isRepositoryName(name)) return name;
  throw new OciError(
    'usage',
    'NAME_INVALID',
    'the name of a repository has lower-case letters, digits, and single . _ - / between them',
  );
}

async function append(
  context: RouteContext,
  { pending }: PushServices,
  owner: string,
  id: string,
): Promise<number> {
  sizeOf(pending, owner, id);
  const [, start] = /^(?:bytes )?(\d+)-\d+$/.exec(context.get('Content-Range')) ?? [];
  try {
    return await pending.append(owner, id, context.req, start === undefined ? undefined : Number(start));
  } catch (error) {
    if (!(error instanceof WrongPart)) throw error;
    describeUpload(context, id, pending.size(owner, id), 416);
    throw new OciError('conflict', 'BLOB_UPLOAD_INVALID', error.message, 416);
  }
}

/** Takes the last bytes of an upload, and ends it. */
async function finish(
  context: RouteContext,
  services: PushServices,
  owner: string,
  id: string,
  digest: string,
): Promise<void> {
  if (!digest.startsWith('sha256:') || !isDigest(digest.slice(7))) {
    throw new OciError('usage', 'DIGEST_INVALID', `${JSON.stringify(digest)} is no sha256 digest`);
  }
  await append(context, services, owner, id);
  try {
    await services.pending.finish(owner, id, parseDigest(digest));
  } catch (error) {
    if (!(error instanceof HeadwaterError) || error.kind !== 'invalid') throw error;
    throw new OciError('invalid', 'DIGEST_INVALID', error.message);
  }
  context.status = 201;
  context.set('Location', `/v2/${parameter(context, 'name')}/blobs/${digest}`);
  context.set('Docker-Content-Digest', digest);
  context.body = '';
}

function sizeOf(pending: PendingBlobs, owner: string, id: string): number {
  try {
    return pending.size(owner, id);
  } catch (error) {
    if (!(error instanceof HeadwaterError)) throw error;
    throw new OciError('not-found', 'BLOB_UPLOAD_UNKNOWN', error.message);
  }
}

/** "The end of the range is inclusive": clients read `0-0` as nothing, too. */
function describeUpload(context: RouteContext, id: string, size: number, status: number): void {
  context.status = status;
  context.set('Location', `/v2/${parameter(context, 'name')}/blobs/uploads/${id}`);
  context.set('Range', `0-${Math.max(0, size - 1)}`);
  context.set('Docker-Upload-UUID', id);
  if (status < 300) context.body = status === 204 ? null : '';
}

function single(context: Context, name: string): string | undefined {
  return [context.query[name] ?? []].flat()[0];
}
