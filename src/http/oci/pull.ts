import { createReadStream } from 'node:fs';
import { keyOf } from '../../access/access.ts';
import { parseDigest } from '../../model/digest.ts';
import { noReferrers, type OciDocument } from '../../oci/documents.ts';
import { isRepositoryName } from '../../oci/names.ts';
import type { PendingBlobs } from '../../oci/push/pending-blobs.ts';
import type { VisibleRepositories, VisibleRepository } from '../../oci/repositories.ts';
import { type Context, parameter, type RouteContext, type Routes } from '../context.ts';
import { type ImageBytes, sendImageFile } from '../documents/image-files.ts';
import { coversAction, type Sender } from './authentication.ts';
import { OciError } from './errors.ts';
import { pageOf } from './page.ts';

/** The services of the routes that read. */
export interface PullServices {
  repositories: VisibleRepositories;
  images: ImageBytes;
  /** Redirect requests for layers to links into the store. */
  redirectToStore: boolean;
  /** Blobs that clients have sent and that no image contains yet. */
  pending: Pick<PendingBlobs, 'find'>;
  senderOf: (context: Context) => Sender;
}

const digestForm = /^[a-z0-9]+([+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$/;

/** Manifests, blobs and lists of repositories (Distribution Specification 1.1, "Pull" and "Content Discovery"). */
export function pullRoutes(router: Routes, services: PullServices): void {
  router.get('/v2/_catalog', async (context) => {
    const names = await services.repositories.names(services.senderOf(context).identity);
    context.body = { repositories: pageOf(context, names) };
  });

  router.get('/v2/*name/tags/list', async (context) => {
    const { tags } = await demandRepository(context, services);
    context.body = { name: parameter(context, 'name'), tags: pageOf(context, tags) };
  });

  router.get('/v2/*name/manifests/:reference', async (context) => {
    const repository = await demandRepository(context, services);
    const reference = parameter(context, 'reference');
    const isDigest = digestForm.test(reference);
    const document = isDigest ? repository.document(reference) : repository.tagged(reference);
    if (document === undefined) {
      throw unknown(context, services, 'MANIFEST_UNKNOWN', `manifest unknown: ${reference}`);
    }
    // A tag may point to something else in the next moment.
    sendDocument(context, document, isDigest ? 'max-age=31536000, immutable' : 'no-cache');
  });

  router.get('/v2/*name/blobs/:digest', async (context) => {
    if (await sendPending(context, services)) return;
    const repository = await demandRepository(context, services);
    const digest = demandDigest(context);
    const found = repository.blob(digest);
    if (found === undefined) throw unknown(context, services, 'BLOB_UNKNOWN', `blob unknown: ${digest}`);
    const { blob, isPublic } = found;
    if ('bytes' in blob) {
      sendDocument(context, blob, 'max-age=31536000, immutable');
      return;
    }
    context.set('Docker-Content-Digest', digest);
    const { images, redirectToStore: redirect } = services;
    await sendImageFile(context, blob, { images, redirect, shared: isPublic });
  });

  router.get('/v2/*name/referrers/:digest', async (context) => {
    await demandRepository(context, services);
    demandDigest(context);
    sendDocument(context, noReferrers, 'no-cache');
  });
}

/** Sends a blob to the client that has just pushed it. @returns false if it has not */
async function sendPending(context: RouteContext, services: PullServices): Promise<boolean> {
  const { identity } = services.senderOf(context);
  const digest = parameter(context, 'digest');
  if (identity === undefined || !/^sha256:[0-9a-f]{64}$/.test(digest)) return false;
  const blob = services.pending.find(keyOf(identity), parseDigest(digest));
  if (blob === undefined) return false;
  context.set({ 'Docker-Content-Digest': digest, 'Content-Type': 'application/octet-stream' });
  context.status = 200;
  if (context.method !== 'HEAD') context.body = createReadStream(blob.path);
  // The body has removed it.
  context.length = blob.size;
  return true;
}

/** The repository of the path, as far as the sender may see it. @throws OciError if there is none */
async function demandRepository(context: RouteContext, services: PullServices): Promise<VisibleRepository> {
  const name = parameter(context, 'name');
  if (!isRepositoryName(name)) {
    throw new OciError(
      'usage',
      'NAME_INVALID',
      'the name of a repository has lower-case letters, digits, and single . _ - / between them',
    );
  }
  const sender = services.senderOf(context);
  // A bearer token for something else has no rights here.
  const identity = coversAction(sender, name, 'pull') ? sender.identity : undefined;
  const repository = await services.repositories.find(identity, name);
  if (repository === undefined)
    throw unknown(context, services, 'NAME_UNKNOWN', `repository unknown: ${name}`);
  return repository;
}

function demandDigest(context: RouteContext): string {
  const digest = parameter(context, 'digest');
  if (digestForm.test(digest)) return digest;
  throw new OciError('usage', 'DIGEST_INVALID', `${JSON.stringify(digest)} is no digest`);
}

/**
 * The error for what does not exist, or what the sender may not see. A sender without a token for the repository is asked
 * for one first, whether or not there is anything: another answer would tell.
 */
function unknown(
  context: RouteContext,
  { senderOf }: PullServices,
  code: 'BLOB_UNKNOWN' | 'MANIFEST_UNKNOWN' | 'NAME_UNKNOWN',
  message: string,
): OciError {
  const sender = senderOf(context);
  if (sender.hasCredentials && coversAction(sender, parameter(context, 'name'), 'pull')) {
    return new OciError('not-found', code, message);
  }
  return new OciError('unauthorized', 'UNAUTHORIZED', 'a token is needed to look for it');
}

function sendDocument(context: Context, document: OciDocument, caching: string): void {
  context.set({
    'Content-Type': document.mediaType,
    'Docker-Content-Digest': document.digest,
    ETag: `"${document.digest}"`,
    'Cache-Control': `private, ${caching}`,
  });
  context.status = 200;
  if (context.fresh) context.status = 304;
  else context.body = document.bytes;
}
