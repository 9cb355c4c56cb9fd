import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Access, Known } from '../../../access/access.ts';
import { bytesOf } from '../../../async/bytes-of.ts';
import { HeadwaterError } from '../../../errors.ts';
import { defined } from '../../../model/defined.ts';
import type { ArrivingFile } from '../../../publish/push.ts';
import { headerValue } from '../../../registry/incoming/header-parameters.ts';
import { boundaryOf, readParts } from '../../../registry/incoming/multipart.ts';
import type { PushTickets } from '../../../registry/incoming/push-tickets.ts';
import type { ImageRequest, Receiver } from '../../../registry/incoming/receiver.ts';
import type { Operations } from '../../../registry/operations/operations.ts';
import { type Context, identityOf } from '../../context.ts';
import { actorOf } from '../../identify.ts';
import { resourceOf, started } from '../envelope.ts';
import { readUploadHeaders } from './upload-headers.ts';

/** How long a sender may send nothing, in milliseconds. */
const silenceLimit = 5 * 60_000;
/** How long the first byte of a body may take whose Content-Type does not show its kind, in milliseconds. */
const firstByteTimeout = 60_000;

/**
 * Whether a body is an image, not a request for one, by the rules of LXD: JSON is a request; multipart and octet-stream
 * are images. For everything else (no Content-Type, curl's application/x-www-form-urlencoded, application/x-tar) the
 * first byte decides: no image begins with a brace.
 */
export async function isUpload(request: IncomingMessage): Promise<boolean> {
  const type = headerValue(request.headers['content-type'] ?? '');
  if (type === 'application/json') return false;
  if (type === 'application/octet-stream' || type.startsWith('multipart/')) return true;
  return (await firstByte(request)) !== '{'.charCodeAt(0);
}

/** The first byte of a body, without consuming it; undefined when there is none. */
async function firstByte(request: IncomingMessage): Promise<number | undefined> {
  await new Promise<void>((resolve) => {
    const done = () => {
      clearTimeout(timer);
      request.off('readable', done).off('end', done).off('close', done).off('error', done);
      resolve();
    };
    const timer = setTimeout(() => request.destroy(), firstByteTimeout);
    if (request.readableEnded || request.destroyed || request.readableLength > 0) done();
    else request.on('readable', done).on('end', done).on('close', done).on('error', done);
  });
  const chunk: Buffer | null = request.read();
  if (chunk === null) return undefined;
  request.unshift(chunk);
  return chunk[0];
}

/**
 * Answers an upload: an image sent by an authenticated client, or by a daemon with the secret of an announced upload.
 * The response is sent when the whole body has arrived and the image is recorded, because clients that are answered
 * earlier see a broken pipe instead.
 */
export async function receiveUpload(
  context: Context,
  services: { access: Access; operations: Operations; receiver: Receiver; tickets: PushTickets },
): Promise<void> {
  const { access, operations, receiver, tickets } = services;
  const { secret, ...headers } = readUploadHeaders(context);
  const receive = async (identity: Known, said: ImageRequest, signal?: AbortSignal) => {
    receiver.permit(identity, said.aliases);
    const actor = actorOf(access, identity, context.req);
    const options = { identity, actor, ...defined({ signal }) };
    return { identity, image: await receiver.receive(arriving(context), said, options) };
  };
  const { identity, image } =
    secret === undefined
      ? await receive(access.demandAny(identityOf(context), 'publish'), headers)
      : await tickets.redeem(secret, (ticket) =>
          receive(ticket.identity, announced(ticket.said, headers), ticket.operation.signal),
        );
  const operation = operations.start({
    description: 'Uploading image',
    identity,
    resources: resourceOf(image.fingerprint),
    // The daemon, which is unknown to us, waits with it.
    metadata: { secret: randomBytes(32).toString('base64url') },
    work: () => Promise.resolve({ fingerprint: image.fingerprint, size: String(image.size) }),
  });
  started(context, operation);
}

/** The announcement counts; the daemon sends the fingerprint again. */
function announced(said: ImageRequest, headers: ImageRequest): ImageRequest {
  const { fingerprint = headers.fingerprint } = said;
  if (headers.fingerprint !== undefined && headers.fingerprint !== fingerprint) {
    throw new HeadwaterError('invalid', `image ${fingerprint} was announced, not ${headers.fingerprint}`);
  }
  return { ...said, ...defined({ fingerprint }) };
}

async function* arriving(context: Context): AsyncGenerator<ArrivingFile> {
  const type = context.get('Content-Type');
  const body = received(context.req);
  if (!headerValue(type).startsWith('multipart/')) {
    yield { name: 'the image', bytes: body };
    return;
  }
  const expected = ['metadata', 'rootfs'];
  for await (const { name, bytes } of readParts(body, boundaryOf(type))) {
    const next = expected.shift();
    // A virtual machine's disk comes as rootfs.img, or as rootfs when a daemon pushes it.
    if (next === undefined || (name !== next && !(next === 'rootfs' && name === 'rootfs.img'))) {
      throw new HeadwaterError(
        'invalid',
        `the part ${JSON.stringify(name.slice(0, 100))} comes out of order: expected metadata, then rootfs or rootfs.img`,
      );
    }
    yield { name, bytes };
  }
}

/** The body. If reading stops early, it stays open: its sender has yet to read the response. */
async function* received(request: IncomingMessage): AsyncGenerator<Uint8Array> {
  request.setTimeout(silenceLimit, () => request.destroy());
  try {
    yield* bytesOf(request, { destroyOnReturn: false });
  } catch (error) {
    throw new HeadwaterError('aborted', 'the client left before the end of the body', { cause: error });
  } finally {
    request.setTimeout(0);
  }
}
