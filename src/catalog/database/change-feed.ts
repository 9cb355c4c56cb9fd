import type { Database } from './database.ts';

/** The changes since a revision, for code that keeps something rendered from the catalog. */
export interface ChangeSet {
  /** The catalog's revision now. */
  revision: number;
  /** The products that changed, with the stream each belongs to. */
  products: { name: string; stream: string }[];
}

/** Reports changes of other processes. */
export interface ChangeFeed {
  /**
   * Calls `onChange` soon after each change with a revision; changes of this process may be among them. Commits without
   * a revision, such as notes of when a token was last used, change nothing that is rendered.
   * @returns a function that ends the subscription
   */
  watch(onChange: () => void): () => void;
}

/** How often the database file is checked, in milliseconds. A check costs microseconds. */
const lookInterval = 50;

/** Reports the changes of the catalog, by any process. */
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
}

/** The feed of an SQLite file: checks it at intervals. */
export class PolledFeed implements ChangeFeed {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  watch(onChange: () => void): () => void {
    let seen = this.#look();
    const timer = setInterval(() => {
      // Cheaper than reading the revision, which mostly is the same.
      const dataVersion = this.#database.dataVersion();
      if (dataVersion === seen.dataVersion) return;
      const before = seen;
      try {
        seen = this.#look();
      } catch {
        // The catalog cannot be read: those who follow it find the reason when they read it, and report it.
        seen = { ...before, dataVersion };
        onChange();
        return;
      }
      if (seen.revision !== before.revision) onChange();
    }, lookInterval);
    timer.unref();
    return () => clearInterval(timer);
  }

  #look(): { dataVersion: number; revision: number } {
    const dataVersion = this.#database.dataVersion();
    return { dataVersion, revision: this.#database.revision() };
  }
}
