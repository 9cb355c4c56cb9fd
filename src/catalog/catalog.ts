import { Aliases } from './aliases.ts';
import { Blobs } from './blobs.ts';
import { Changes } from './changes.ts';
import { Database } from './database.ts';
import { Mirrors } from './mirrors.ts';
import { Products } from './products.ts';
import { Sources } from './sources.ts';
import { Tokens } from './tokens.ts';
import { Versions } from './versions.ts';

/** What exists: the record of every product, version, alias, blob, token and mirror. */
export class Catalog {
  readonly products: Products;
  readonly versions: Versions;
  readonly aliases: Aliases;
  readonly blobs: Blobs;
  readonly tokens: Tokens;
  readonly changes: Changes;
  readonly mirrors: Mirrors;
  readonly sources: Sources;
  readonly #database: Database;

  private constructor(database: Database) {
    this.#database = database;
    this.products = new Products(database);
    this.versions = new Versions(database);
    this.aliases = new Aliases(database);
    this.blobs = new Blobs(database);
    this.tokens = new Tokens(database);
    this.changes = new Changes(database);
    this.mirrors = new Mirrors(database);
    this.sources = new Sources(database);
  }

  /**
   * Opens the catalog kept in an SQLite file, or makes it. Several processes may have it open.
   * @throws HeadwaterError `unavailable`, naming the file
   */
  static async open(file: string): Promise<Catalog> {
    return new Catalog(await Database.open(file));
  }

  /** How much there is: the sizes that `/metrics` shows. */
  async size(): Promise<{ products: number; versions: number; blobs: number; bytes: number }> {
    const count = async (table: 'products' | 'versions') => {
      const row = await this.#database.reads
        .selectFrom(table)
        .select((expression) => expression.fn.countAll<number>().as('count'))
        .executeTakeFirstOrThrow();
      return row.count;
    };
    const blobs = await this.#database.reads
      .selectFrom('blobs')
      .select((expression) => [
        expression.fn.countAll<number>().as('count'),
        expression.fn.sum<number | null>('size').as('bytes'),
      ])
      .executeTakeFirstOrThrow();
    return {
      products: await count('products'),
      versions: await count('versions'),
      blobs: blobs.count,
      bytes: blobs.bytes ?? 0,
    };
  }

  async close(): Promise<void> {
    await this.#database.close();
  }
}
