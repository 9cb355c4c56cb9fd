import type { Database } from './database.ts';

/** What changed since a revision, for those who keep something rendered from the catalog. */
export interface ChangeSet {
  /** The catalog's revision now. */
  revision: number;
  /** The products that changed, with the stream each belongs to. */
  products: { name: string; stream: string }[];
}

/** Tells what changed in the catalog, whichever process changed it. */
export class Changes {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** The products that changed after `revision`. */
  async since(revision: number): Promise<ChangeSet> {
    const { value } = await this.#database.reads
      .selectFrom('revision')
      .select('value')
      .executeTakeFirstOrThrow();
    const products = await this.#database.reads
      .selectFrom('products')
      .select(['name', 'stream'])
      .where('revision', '>', revision)
      .orderBy('name')
      .execute();
    return { revision: value, products };
  }

  /**
   * Calls `listener` soon after each commit of anybody, in this process or another.
   * @param interval milliseconds between looks; one look costs microseconds
   * @returns stops watching
   */
  watch(interval: number, listener: () => void): () => void {
    let seen = this.#database.dataVersion();
    const timer = setInterval(() => {
      const now = this.#database.dataVersion();
      if (now === seen) return;
      seen = now;
      listener();
    }, interval);
    timer.unref();
    return () => clearInterval(timer);
  }
}
