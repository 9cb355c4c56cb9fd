import { ExpiringMap } from '../../async/expiring-map.ts';
import { SingleFlight } from '../../async/single-flight.ts';
import type { BlobStore } from '../../blobs/blob-store.ts';
import { isUnreadable } from '../../blobs/damaged-blob.ts';
import { isKind } from '../../errors.ts';
import type { Digest } from '../../model/digest.ts';
import type { Intake } from '../intake/intake.ts';

/** How long a blob counts as right after it was read, in milliseconds. */
const rightFor = 10 * 60_000;

/** Reads stored blobs again before a client is told not to send them: a disk may have changed their bytes. */
export class RereadBlobs {
  readonly #store: BlobStore;
  readonly #intake: Intake;
  readonly #right = new ExpiringMap<Digest, true>(rightFor, { maxEntries: 10_000 });
  readonly #reading = new SingleFlight<Digest, boolean>();

  constructor(store: BlobStore, intake: Intake) {
    this.#store = store;
    this.#intake = intake;
  }

  /** Whether a blob has the bytes of its digest. @throws HeadwaterError the errors of the store */
  async isRight(digest: Digest): Promise<boolean> {
    return this.#right.get(digest) ?? (await this.#reading.do(digest, () => this.#read(digest)));
  }

  async #read(digest: Digest): Promise<boolean> {
    try {
      const [found] = await this.#intake.hash(await this.#store.read(digest), [Buffer.alloc(0)]);
      if (found === digest) this.#right.set(digest, true);
      return found === digest;
    } catch (error) {
      if (isKind(error, 'not-found') || isUnreadable(error)) return false;
      throw error;
    }
  }
}
