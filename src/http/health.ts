import type { BlobStore, Purpose } from '../blobs/blob-store.ts';
import type { Reserve } from '../catalog/database/reserve.ts';
import { messageOf } from '../errors.ts';
import type { Documents } from '../simplestreams/write/documents.ts';

/** For how long the answer of a store stands, in milliseconds: probes come from many sides. */
const checkLifetime = 3000;

/** Tells whether requests can be served: those that read, and those that write. */
export class Readiness {
  readonly #store: BlobStore;
  readonly #documents: Documents;
  readonly #reserve: Reserve;
  readonly #damage: () => string | undefined;
  readonly #last = new Map<Purpose, { at: number; problem: Promise<string | undefined> }>();

  /** @param damage what is known to be damaged in the catalog */
  constructor(store: BlobStore, documents: Documents, reserve: Reserve, damage: () => string | undefined) {
    this.#store = store;
    this.#documents = documents;
    this.#reserve = reserve;
    this.#damage = damage;
  }

  /** What an operator must look at although images can be served. */
  get warning(): string | undefined {
    return this.#damage();
  }

  /** Why the server is not ready, in words; undefined when it is. */
  async problem(purpose: Purpose): Promise<string | undefined> {
    if (this.#documents.revision < 0) return 'the documents are not rendered yet';
    // What is recorded in a damaged catalog is lost when a backup takes its place.
    if (purpose === 'write' && this.warning !== undefined) return this.warning;
    const now = performance.now();
    let last = this.#last.get(purpose);
    if (last === undefined || now - last.at > checkLifetime) {
      last = { at: now, problem: this.#check(purpose).then(() => undefined, messageOf) };
      this.#last.set(purpose, last);
    }
    return await last.problem;
  }

  /** @throws Error with what keeps the server from serving */
  async #check(purpose: Purpose): Promise<void> {
    await this.#store.check(purpose);
    if (purpose === 'read') return;
    const { reserved, wanted, free } = await this.#reserve.space();
    if (reserved >= wanted && free >= wanted) return;
    throw new Error('the disk of the data directory is full: free some space; removing versions still works');
  }
}
