import { type RawBuilder, type Selectable, type SqlBool, sql } from 'kysely';
import { defined } from '../../model/defined.ts';
import { type ProductKey, type ProductRef, productName } from '../../model/names.ts';
import type { Item, ProductWithVersions } from '../../model/versions.ts';
import type { Database } from '../database/database.ts';
import type { Tables } from '../database/tables.ts';
import { ofSameFamily } from './alias-rows.ts';
import { moveProducts } from './move-products.ts';
import { completeProducts, toItem } from './product-rows.ts';

/** Selects the products to read. */
export interface ProductQuery {
  stream?: string;
  owner?: string;
  /**
   * Only products after this one, in the order of names and then of streams; after all of the name without a stream.
   */
  after?: { name: string; stream?: string };
  /** Only products whose name is at most this. */
  upTo?: string;
  /** Only these names. */
  names?: string[];
  /** Include versions that left the documents and are still fetchable; otherwise they are omitted. */
  removed?: boolean;
  /** As documents show them: without hidden versions, and with aliases that were removed a moment ago. */
  forDocuments?: boolean;
}

/** The files of a version, and the rights to read them. */
export interface VersionFiles {
  stream: string;
  /** Not public, even in a public stream. */
  hidden: boolean;
  items: Item[];
}

/** How many products are read at a time, so that memory is bounded for any number. */
const batchSize = 200;

/** Reads products with what belongs to them. */
export class Products {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Products sorted by name and stream, each with its versions; products without a version are omitted. */
  async *each(query: ProductQuery = {}): AsyncGenerator<ProductWithVersions> {
    let after = query.after;
    for (;;) {
      const rows = await this.#batch({ ...query, ...defined({ after }) });
      for (const product of await this.#complete(rows, query)) {
        if (product.versions.length > 0) yield product;
      }
      const last = rows.at(-1);
      if (last === undefined || rows.length < batchSize) return;
      after = last;
    }
  }

  /** One product, with or without versions, or undefined. */
  async find(
    { stream, name }: ProductRef,
    options: { removed?: boolean } = {},
  ): Promise<ProductWithVersions | undefined> {
    const rows = await this.#database.reads
      .selectFrom('products')
      .selectAll()
      .where('stream', '=', stream)
      .where('name', '=', name)
      .execute();
    return (await this.#complete(rows, options))[0];
  }

  /** The products of a name, one in each stream that has it, with or without versions. */
  async named(name: string): Promise<ProductWithVersions[]> {
    const rows = await this.#database.reads
      .selectFrom('products')
      .selectAll()
      .where('name', '=', name)
      .orderBy('stream')
      .execute();
    return await this.#complete(rows, {});
  }

  /** The products to which an alias points: in each stream that has the alias, one for each architecture. */
  async byAlias(alias: string): Promise<ProductWithVersions[]> {
    const rows = await this.#database.reads
      .selectFrom('products')
      .innerJoin('aliases', (join) => join.on(ofSameFamily))
      .selectAll('products')
      .where('aliases.name', '=', alias)
      .where('aliases.removed_at', 'is', null)
      .orderBy('products.name')
      .orderBy('products.stream')
      .execute();
    return await this.#complete(rows, {});
  }

  /** The products that have an image whose fingerprint begins with `prefix`, with the serials. */
  async byFingerprint(
    prefix: string,
  ): Promise<{ stream: string; product: string; serial: string; fingerprint: string }[]> {
    const rows = await this.#database.reads
      .selectFrom('items')
      .innerJoin('versions', 'versions.id', 'items.version_id')
      .innerJoin('products', 'products.id', 'versions.product_id')
      .select(['products.stream', 'products.name as product', 'versions.serial', 'items.fingerprint'])
      .where('items.fingerprint', '>=', prefix)
      .where('items.fingerprint', '<', `${prefix}g`)
      .where('versions.removed_at', 'is', null)
      .orderBy('products.name')
      .limit(100)
      .execute();
    return rows.map((row) => ({ ...row, fingerprint: row.fingerprint ?? '' }));
  }

  /**
   * A file of a version by its path, also one that left the documents and is still fetchable.
   * @param key.place {@link Product.place}
   */
  async file(
    key: ProductKey & { place?: string },
    serial: string,
    file: string,
  ): Promise<(Item & { stream: string; publishedAt: Date; hidden: boolean }) | undefined> {
    const row = await this.#database.reads
      .selectFrom('items')
      .innerJoin('versions', 'versions.id', 'items.version_id')
      .innerJoin('products', 'products.id', 'versions.product_id')
      .selectAll('items')
      .select(['products.stream', 'versions.published_at', 'versions.hidden'])
      .where('products.name', '=', productName(key))
      .where('products.place', '=', key.place ?? '')
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

  /**
   * The files of a version, in the order of their names, also of one that left the documents and is still fetchable.
   * @param key.place {@link Product.place}
   */
  async versionFiles(
    key: ProductKey & { place?: string },
    serial: string,
  ): Promise<VersionFiles | undefined> {
    const rows = await this.#database.reads
      .selectFrom('items')
      .innerJoin('versions', 'versions.id', 'items.version_id')
      .innerJoin('products', 'products.id', 'versions.product_id')
      .selectAll('items')
      .select(['products.stream', 'versions.hidden'])
      .where('products.name', '=', productName(key))
      .where('products.place', '=', key.place ?? '')
      .where('versions.serial', '=', serial)
      .orderBy('items.file')
      .execute();
    const [first] = rows;
    if (first === undefined) return undefined;
    return { stream: first.stream, hidden: first.hidden === 1, items: rows.map(toItem) };
  }

  /** The streams that have products. @param owner only products of this owner */
  async streams(owner?: string): Promise<string[]> {
    const rows = await this.#database.reads
      .selectFrom('products')
      .select('stream')
      .distinct()
      .$if(owner !== undefined, (select) => select.where('owner', '=', owner ?? ''))
      .orderBy('stream')
      .execute();
    return rows.map((row) => row.stream);
  }

  /** The owners of products. */
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
   * Moves the products of an owner into a stream, with their aliases. Their files stay where they are: paths depend on
   * the place of a product, which does not change. A product that the stream already has from another owner stays where
   * it is.
   * @returns how many were moved
   */
  async move(owner: string, stream: string): Promise<number> {
    return await this.#database.change(async (change) => await moveProducts(change, owner, stream));
  }

  async #batch(query: ProductQuery): Promise<Selectable<Tables['products']>[]> {
    let select = this.#database.reads
      .selectFrom('products')
      .selectAll()
      .orderBy('name')
      .orderBy('stream')
      .limit(batchSize);
    if (query.stream !== undefined) select = select.where('stream', '=', query.stream);
    if (query.owner !== undefined) select = select.where('owner', '=', query.owner);
    if (query.after !== undefined) select = select.where(isBehind(query.after));
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

function isBehind({ name, stream }: { name: string; stream?: string }): RawBuilder<SqlBool> {
  return stream === undefined ? sql`name > ${name}` : sql`(name, stream) > (${name}, ${stream})`;
}
