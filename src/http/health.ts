import type { BlobStore, Purpose } from '../blobs/blob-store.ts';
import type { Reserve } from '../catalog/database/reserve.ts';
import { messageOf } from '../errors.ts';
import type { Documents } from '../simplestreams/write/documents.ts';

/** For how long the answer of a store is reused, in milliseconds: many systems may probe. */
const checkLifetime = 3000;

/** Tells whether requests can be served: those that read, and those that write. */
export class Readiness {
  readonly #store: BlobStore;
  readonly #documents: Documents;
  readonly #reserve: Reserve;
  readonly #damage: () => string | undefined;
  readonly #notice: () => string | undefined;
  readonly #last = new Map<Purpose, { at: number; problem: Promise<string | undefined> }>();

  /**
   * @param notices.damage the known damage of the catalog
   * @param notices.notice another notice for the operator, which does not prevent publishing
   */
  constructor(
    { store, documents, reserve }: { store: BlobStore; documents: Documents; reserve: Reserve },
    notices: { damage: () => string | undefined; notice: () => string | undefined },
  ) {
    this.#store = store;
    this.#documents = documents;
    this.#reserve = reserve;
    this.#damage = notices.damage;
    this.#notice = notices.notice;
  }

  /** A warning for the operator, although images can be served. */
  get warning(): string | undefined {
    return this.#damage() ?? this.#notice();
  }

  /** The reason why the server is not ready; undefined when it is. */
  async problem(purpose: Purpose): Promise<string | undefined> {
    if (this.#documents.revision < 0) return 'the documents are not rendered yet';
    // Records in a damaged catalog are lost when a backup replaces it.
    const damage = this.#damage();
    if (purpose === 'write' && damage !== undefined) return damage;
    const now = performance.now();
    let last = this.#last.get(purpose);
    if (last === undefined || now - last.at > checkLifetime) {
      last = { at: now, problem: this.#check(purpose).then(() => undefined, messageOf) };
      this.#last.set(purpose, last);
    }
    return await last.problem;
  }

  /** @throws Error with the reason why the server cannot serve */
  async #check(purpose: Purpose): Promise<void> {
    await this.#store.check(purpose);
    if (purpose === 'read') return;
    const { reserved, wanted, free } = await this.#reserve.space();
    if (reserved >= wanted && free >= wanted) return;
    throw new Error('the disk of the data directory is full: free some space; removing versions still works');
  }
}
