import { Channel } from '../../async/channel.ts';
import { outcomeOf } from '../../async/outcome.ts';
import { HeadwaterError, isKind } from '../../errors.ts';
import type { CarriedBlob } from '../format/manifest-schema.ts';
import type { BlobMember } from '../format/members.ts';
import type { ReadsMembers } from '../format/passing-blobs.ts';

/** A blob whose bytes are arriving. */
interface Arriving {
  blob: CarriedBlob;
  /** How many bytes have come. */
  end: number;
  channel: Channel;
  /** Resolves when its bytes are stored, or refused. */
  stored: ReturnType<typeof outcomeOf<void>>;
}

/**
 * Stores blobs while volumes are read, also those whose pieces come in several volumes. Each byte goes from the medium into
 * the store. A damaged blob is refused by itself; the others are read on.
 */
export class IncomingBlobs implements ReadsMembers {
  readonly #isWanted: (blob: CarriedBlob) => boolean;
  readonly #store: (blob: CarriedBlob, bytes: AsyncIterable<Uint8Array>) => Promise<void>;
  readonly #refused = new Map<string, string>();
  #arriving: Arriving | undefined;

  /**
   * @param isWanted whether a blob is to be stored; the others are passed over
   * @param store stores the bytes of a blob. It throws `invalid` or `too-large` if they are not right; any other error ends
   * the reading
   */
  constructor(
    isWanted: (blob: CarriedBlob) => boolean,
    store: (blob: CarriedBlob, bytes: AsyncIterable<Uint8Array>) => Promise<void>,
  ) {
    this.#isWanted = isWanted;
    this.#store = store;
  }

  /** Why blobs were not stored, by digest (`sha256:…`). */
  get refused(): ReadonlyMap<string, string> {
    return this.#refused;
  }

  async *pass(member: BlobMember, bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, boolean> {
    const arriving = await this.#begin(member);
    try {
      for await (const chunk of bytes) {
        await arriving?.channel.write(chunk);
        yield chunk;
      }
    } catch (error) {
      await this.#abandon('it ends too early');
      throw error;
    }
    if (arriving === undefined) return true;
    arriving.end += member.size;
    if (arriving.end < member.blob.size) return true;
    this.#arriving = undefined;
    arriving.channel.end();
    return await this.#settle(arriving);
  }

  /** Gives up a blob whose other pieces did not come. To be called when all volumes were read. */
  async close(): Promise<void> {
    await this.#abandon('a piece of it is missing');
  }

  /** @returns undefined for bytes that are passed over */
  async #begin({ blob, offset }: BlobMember): Promise<Arriving | undefined> {
    const open = this.#arriving;
    if (open?.blob.digest === blob.digest && open.end === offset) return open;
    await this.#abandon('a piece of it is missing');
    if (offset > 0 || !this.#isWanted(blob)) return undefined;
    const channel = new Channel();
    const stored = outcomeOf(() => this.#store(blob, channel)).finally(() => channel.cancel());
    this.#arriving = { blob, end: 0, channel, stored };
    return this.#arriving;
  }

  async #abandon(reason: string): Promise<void> {
    const arriving = this.#arriving;
    if (arriving === undefined) return;
    this.#arriving = undefined;
    arriving.channel.fail(new HeadwaterError('invalid', reason));
    await this.#settle(arriving);
  }

  /** @returns whether the blob was stored @throws an error that concerns all blobs */
  async #settle({ blob, stored }: Arriving): Promise<boolean> {
    const outcome = await stored;
    if (!('error' in outcome)) return true;
    const { error } = outcome;
    if (!isKind(error, 'invalid', 'too-large')) throw error;
    this.#refused.set(blob.digest, error.message);
    return false;
  }
}
