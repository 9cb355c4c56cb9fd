import { sql } from 'kysely';
import type { ProductWithVersions } from '../../model/versions.ts';
import type { Database } from '../database/database.ts';
import { ofSameFamily } from '../products/alias-rows.ts';
import { completeProducts } from '../products/product-rows.ts';

/** Reads the products of OCI repositories. */
export class Repositories {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** The revision of the last change of what documents and repositories show. Costs microseconds. */
  get revision(): number {
    return this.#database.revision();
  }

  /**
   * The products of a stream whose os is `path`, or that have an alias `path` or below `path/`. Their versions are those
   * that documents list.
   * @param options.removed include versions that left the documents and are still fetchable
   */
  async products(
    stream: string,
    path: string,
    options: { removed: boolean },
  ): Promise<ProductWithVersions[]> {
    const { reads } = this.#database;
    const rows = await reads
      .selectFrom('products')
      .selectAll()
      .where('stream', '=', stream)
      .where((where) =>
        where.or([
          where('os', '=', path),
          where('id', 'in', (select) =>
            select
              .selectFrom('aliases')
              .innerJoin('products', (join) => join.on(ofSameFamily))
              .select('products.id')
              .where('aliases.stream', '=', stream)
              // "0" follows "/" in the order of characters.
              .where(
                sql<boolean>`(aliases.name = ${path} or (aliases.name > ${`${path}/`} and aliases.name < ${`${path}0`}))`,
              ),
          ),
        ]),
      )
      .orderBy('name')
      .execute();
    return await completeProducts(reads, rows, { forDocuments: true, removed: options.removed });
  }
}
