import type { BlobStore } from '../blobs/blob-store.ts';
import { messageOf } from '../errors.ts';
import type { Documents } from '../streams/documents.ts';

/** For how long the answer of a store stands, in milliseconds: probes come from many sides. */
const checkedFor = 3000;

/** Tells whether requests can be served. */
export class Readiness {
  readonly #store: BlobStore;
  readonly #documents: Documents;
  #last: { at: number; problem: Promise<string | undefined> } | undefined;

  constructor(store: BlobStore, documents: Documents) {
    this.#store = store;
    this.#documents = documents;
  }

  /** What keeps the server from serving, in words, or undefined. */
  async problem(): Promise<string | undefined> {
    if (this.#documents.revision < 0) return 'the documents are not rendered yet';
    const now = performance.now();
    if (this.#last === undefined || now - this.#last.at > checkedFor) {
      const problem = this.#store.check().then(
        () => undefined,
        (error: unknown) => messageOf(error),
      );
      this.#last = { at: now, problem };
    }
    return await this.#last.problem;
  }
}
