import type { Selectable } from 'kysely';
import { defined } from '../../model/defined.ts';
import { familyOf, type ProductKey } from '../../model/names.ts';
import type { Item, Product, ProductWithVersions } from '../../model/versions.ts';
import type { Database } from '../database/database.ts';
import type { Tables } from '../database/tables.ts';
import { completeProducts, toItem, toProduct } from './product-rows.ts';

/** Which products to read. */
export interface ProductQuery {
  stream?: string;
  owner?: string;
  /** Only products whose name is greater than this. */
  after?: string;
  /** Only products whose name is at most this. */
  upTo?: string;
  /** Only these names. */
  names?: string[];
  /** Include versions that left the documents and are still fetchable; they are left out otherwise. */
  removed?: boolean;
  /** As documents show them: without hidden versions, and with aliases that were removed a moment ago. */
  forDocuments?: boolean;
}

/** How many products are read at a time: what keeps memory bounded, however many there are. */
const batchSize = 200;

/** Reads products with what belongs to them. */
export class Products {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Products in the order of their names, each with its versions; those without a version are left out. */
  async *each(query: ProductQuery = {}): AsyncGenerator<ProductWithVersions> {
    let after = query.after;
    for (;;) {
      const rows = await this.#batch({ ...query, ...defined({ after }) });
      for (const product of await this.#complete(rows, query)) {
        if (product.versions.length > 0) yield product;
      }
      const last = rows.at(-1);
      if (last === undefined || rows.length < batchSize) return;
      after = last.name;
    }
  }

  /** One product, with or without versions, or undefined. */
  async find(name: string, options: { removed?: boolean } = {}): Promise<ProductWithVersions | undefined> {
    const rows = await this.#database.reads
      .selectFrom('products')
      .selectAll()
      .where('name', '=', name)
      .execute();
    return (await this.#complete(rows, options))[0];
  }

  /** The products that an alias leads to, one for each architecture. */
  async byAlias(alias: string): Promise<ProductWithVersions[]> {
    const rows = await this.#database.reads
      .selectFrom('products')
      .innerJoin('aliases', (join) =>
        join
          .onRef('aliases.os', '=', 'products.os')
          .onRef('aliases.release', '=', 'products.release')
          .onRef('aliases.variant', '=', 'products.variant'),
      )
      .selectAll('products')
      .where('aliases.name', '=', alias)
      .where('aliases.removed_at', 'is', null)
      .orderBy('products.name')
      .execute();
    return await this.#complete(rows, {});
  }

  /** The products of a family, one for each architecture, with or without versions. */
  async ofFamily(family: Pick<ProductKey, 'os' | 'release' | 'variant'>): Promise<Product[]> {
    const rows = await this.#database.reads
      .selectFrom('products')
      .selectAll()
      .where(({ and }) => and(familyOf(family)))
      .execute();
    return rows.map(toProduct);
  }

  /** The names of the products that have an image whose fingerprint begins with `prefix`, with the serials. */
  async byFingerprint(prefix: string): Promise<{ product: string; serial: string; fingerprint: string }[]> {
    const rows = await this.#database.reads
      .selectFrom('items')
      .innerJoin('versions', 'versions.id', 'items.version_id')
      .innerJoin('products', 'products.id', 'versions.product_id')
      .select(['products.name as product', 'versions.serial', 'items.fingerprint'])
      .where('items.fingerprint', '>=', prefix)
      .where('items.fingerprint', '<', `${prefix}g`)
      .where('versions.removed_at', 'is', null)
      .orderBy('products.name')
      .limit(100)
      .execute();
    return rows.map((row) => ({ ...row, fingerprint: row.fingerprint ?? '' }));
  }

  /** A file of a version by its place, also one that left the documents and is still fetchable. */
  async file(
    key: ProductKey,
    serial: string,
    file: string,
  ): Promise<(Item & { stream: string; publishedAt: Date; hidden: boolean }) | undefined> {
    const row = await this.#database.reads
      .selectFrom('items')
      .innerJoin('versions', 'versions.id', 'items.version_id')
      .innerJoin('products', 'products.id', 'versions.product_id')
      .selectAll('items')
      .select(['products.stream', 'versions.published_at', 'versions.hidden'])
      .where('products.name', '=', `${key.os}:${key.release}:${key.architecture}:${key.variant}`)
      .where('versions.serial', '=', serial)
      .where('items.file', '=', file)
      .executeTakeFirst();
    if (row === undefined) return undefined;
    return {
      ...toItem(row),
      stream: row.stream,
      publishedAt: new Date(row.published_at),
      hidden: row.hidden === 1,
    };
  }

  /** The streams that have products. */
  async streams(): Promise<string[]> {
    const rows = await this.#database.reads
      .selectFrom('products')
      .select('stream')
      .distinct()
      .orderBy('stream')
      .execute();
    return rows.map((row) => row.stream);
  }

  /** Who owns products. */
  async owners(): Promise<string[]> {
    const rows = await this.#database.reads
      .selectFrom('products')
      .select('owner')
      .distinct()
      .orderBy('owner')
      .execute();
    return rows.map((row) => row.owner);
  }

  /** Gives the products of an owner to another one. @returns how many */
  async handOver(owner: string, to: string): Promise<number> {
    return await this.#database.change(async (change) => {
      const { numUpdatedRows } = await change.db
        .updateTable('products')
        .set({ owner: to })
        .where('owner', '=', owner)
        .executeTakeFirst();
      await change.audit({ action: 'product.hand-over', subject: owner, details: { to } });
      return Number(numUpdatedRows);
    });
  }

  /**
   * Moves all products of an owner into a stream. Their images stay where they are: no path has a stream in it.
   * @returns how many were in another one
   */
  async move(owner: string, stream: string): Promise<number> {
    return await this.#database.change(async (change) => {
      const moved = await change.db
        .updateTable('products')
        .set({ stream, revision: await change.revision() })
        .where('owner', '=', owner)
        .where('stream', '!=', stream)
        .executeTakeFirst();
      const count = Number(moved.numUpdatedRows);
      if (count > 0)
        await change.audit({ action: 'product.move', subject: owner, details: { stream, count } });
      return count;
    });
  }

  async #batch(query: ProductQuery): Promise<Selectable<Tables['products']>[]> {
    let select = this.#database.reads.selectFrom('products').selectAll().orderBy('name').limit(batchSize);
    if (query.stream !== undefined) select = select.where('stream', '=', query.stream);
    if (query.owner !== undefined) select = select.where('owner', '=', query.owner);
    if (query.after !== undefined) select = select.where('name', '>', query.after);
    if (query.upTo !== undefined) select = select.where('name', '<=', query.upTo);
    if (query.names !== undefined) select = select.where('name', 'in', query.names);
    return await select.execute();
  }

  async #complete(
    rows: Selectable<Tables['products']>[],
    query: Pick<ProductQuery, 'removed' | 'forDocuments'>,
  ): Promise<ProductWithVersions[]> {
    return await completeProducts(this.#database.reads, rows, query);
  }
}
