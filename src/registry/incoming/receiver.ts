import { type Access, type Known, keyOf } from '../../access/access.ts';
import type { Catalog } from '../../catalog/catalog.ts';
import type { Actor } from '../../catalog/database/audit-record.ts';
import { type Allowance, overQuota, type Quotas } from '../../catalog/quotas.ts';
import { HeadwaterError, LimitError } from '../../errors.ts';
import { defined } from '../../model/defined.ts';
import type { LocalDestination } from '../../publish/destination/local-destination.ts';
import { type ArrivingFile, type PushedImage, type PushRequest, push } from '../../publish/push.ts';

/** What the configuration says of pushed images. */
export interface PushPolicy {
  /** Where images go of those who may push anywhere. */
  stream: string;
  quotas: Quotas;
  /** Versions that a product keeps; all when left out. */
  keep?: number;
  /** Bytes of one file. */
  uploadLimit: number;
}

/** What a client says of an image that it sends, or has us fetch. */
export type ImageRequest = Omit<PushRequest, 'stream' | 'pushedBy'>;

interface ReceiverServices {
  access: Access;
  catalog: Catalog;
  destination: LocalDestination;
  policy: PushPolicy;
  /** Is told of every error, and notes those that are refusals of limits. */
  noteRefusal?: (error: unknown, actor: Actor) => void;
}

/** Takes images in, whichever way they come. */
export class Receiver {
  readonly #services: ReceiverServices;

  constructor(services: ReceiverServices) {
    this.#services = services;
  }

  /**
   * Checks that somebody may push under these aliases, before any byte comes; it is checked again at the end.
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
   * Takes an image in.
   * @param options.actor who sends it, for the audit log
   * @throws HeadwaterError what `push` throws; `too-large` as soon as more bytes come than may; `aborted` when `signal`
   * is. Nothing of the image stays then.
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

  /** Like {@link receive}, of an image whose place is known. @param options.pushedBy whose quota it is on */
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
      // Some of this is done in operations, whose errors are no answers.
      noteRefusal?.(error, actor);
      throw error;
    }
  }

  /** Where somebody's images go: to the stream for pushed images, or to the first that somebody may publish in. */
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
