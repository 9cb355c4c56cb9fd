import { type Access, type Known, keyOf } from '../../access/access.ts';
import type { Catalog } from '../../catalog/catalog.ts';
import type { Actor } from '../../catalog/database/audit-record.ts';
import { type Allowance, overQuota, type Quotas } from '../../catalog/quotas.ts';
import { HeadwaterError, LimitError } from '../../errors.ts';
import { defined } from '../../model/defined.ts';
import type { LocalDestination } from '../../publish/destination/local-destination.ts';
import { type ArrivingFile, type PushedImage, type PushRequest, push } from '../../publish/push.ts';

/** The configuration for pushed images. */
export interface PushPolicy {
  /** The stream for images of identities that may push into any stream. */
  stream: string;
  quotas: Quotas;
  /** Versions that a product keeps; all if omitted. */
  keep?: number;
  /** The largest size of one file, in bytes. */
  uploadLimit: number;
}

/** A client's description of an image that it sends or asks us to fetch. */
export type ImageRequest = Omit<PushRequest, 'stream' | 'pushedBy'>;

interface ReceiverServices {
  access: Access;
  catalog: Catalog;
  destination: LocalDestination;
  policy: PushPolicy;
  /** Receives every error, and records the refusals of limits. */
  noteRefusal?: (error: unknown, actor: Actor) => void;
}

/** Receives images from all sources. */
export class Receiver {
  readonly #services: ReceiverServices;

  constructor(services: ReceiverServices) {
    this.#services = services;
  }

  /**
   * Checks that an identity may push under these aliases, before any byte arrives. The transaction checks it again.
   * @throws HeadwaterError `forbidden`
   */
  permit(identity: Known, aliases: { name: string }[]): void {
    const stream = this.#streamOf(identity);
    this.#services.access.demand(identity, 'publish', { stream, isNamedByCaller: true });
    for (const { name } of aliases) {
      this.#services.access.demand(identity, 'publish', { stream, names: [name], isNamedByCaller: true });
    }
  }

  /**
   * Receives an image.
   * @param options.actor the sender, for the audit log
   * @throws HeadwaterError errors of `push`; `too-large` as soon as too many bytes arrive; `aborted` when `signal` is
   * aborted. Nothing of the image stays then.
   */
  async receive(
    files: AsyncIterable<ArrivingFile>,
    said: ImageRequest,
    options: { identity: Known; actor: Actor; signal?: AbortSignal },
  ): Promise<PushedImage> {
    const { identity, ...rest } = options;
    const pushedBy = keyOf(identity);
    return await this.take(files, said, { stream: this.#streamOf(identity), pushedBy, ...rest });
  }

  /**
   * Like {@link receive}, for an image whose stream is known.
   * @param options.pushedBy the identity whose quota the image counts towards
   */
  async take(
    files: AsyncIterable<ArrivingFile>,
    said: ImageRequest,
    options: { stream: string; pushedBy: string; actor: Actor; signal?: AbortSignal },
  ): Promise<PushedImage> {
    const { catalog, destination, policy, noteRefusal } = this.#services;
    const { stream, pushedBy, actor, signal } = options;
    const room = await catalog.by(actor).pushed.allowance(policy.quotas, { stream, pushedBy });
    const bounded = bound(files, {
      room,
      limit: policy.uploadLimit,
      ...defined({ signal }),
    });
    const { quotas, keep } = policy;
    const limits = { quotas, ...defined({ keep }) };
    try {
      return await push(destination.by(actor), bounded, { ...said, stream, pushedBy }, limits);
    } catch (error) {
      // Some of this work runs in operations, whose errors are not responses.
      noteRefusal?.(error, actor);
      throw error;
    }
  }

  /**
   * The stream for the images of an identity: the stream for pushed images, or the first one into which it may publish.
   */
  #streamOf({ streams }: Known): string {
    const { stream } = this.#services.policy;
    return streams === undefined || streams.includes(stream) ? stream : (streams[0] ?? stream);
  }
}

interface Bounds {
  room: Allowance;
  limit: number;
  signal?: AbortSignal;
}

async function* bound(files: AsyncIterable<ArrivingFile>, bounds: Bounds): AsyncGenerator<ArrivingFile> {
  const count = { all: 0 };
  for await (const file of files) yield { ...file, bytes: boundBytes(file, bounds, count) };
}

async function* boundBytes(
  { name, bytes }: ArrivingFile,
  { room, limit, signal }: Bounds,
  count: { all: number },
): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const chunk of bytes) {
    size += chunk.length;
    count.all += chunk.length;
    if (signal?.aborted === true) throw new HeadwaterError('aborted', 'the operation was cancelled');
    if (count.all > room.bytes) throw overQuota(room);
    if (size > limit) {
      throw new LimitError(
        'uploadSize',
        'too-large',
        `${name} has more than ${limit} bytes (limits.uploadSize)`,
      );
    }
    yield chunk;
  }
}
