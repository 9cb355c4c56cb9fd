import { type RawBuilder, sql } from 'kysely';
import type { ItemType } from '../../model/item-types.ts';
import type { ProductKey } from '../../model/names.ts';
import type { Target } from '../../model/rights.ts';
import type { ProductDetails } from '../../model/versions.ts';
import type { Database } from '../database/database.ts';
import { ofSameFamily } from '../products/alias-rows.ts';
import { ownNames, targetOf } from '../products/ownership.ts';
import { describeProduct, readItemType } from '../products/product-rows.ts';
import { type PushedDetails, toDetails } from './pushed-details.ts';

/** A file of an image. */
export interface ImageItem {
  type: ItemType;
  digest: string;
  /** Bytes. */
  size: number;
}

/** An image in the sense of LXD: one root of a version, with the metadata. */
export interface Image {
  fingerprint: string;
  /** Whether it was computed from the bytes. Otherwise a document claims it, and the files may be somewhere else. */
  isComputed: boolean;
  /** Absent for a unified image. */
  metadata?: ImageItem;
  root: ImageItem;
  product: ProductKey & ProductDetails & { name: string; stream: string; owner: string };
  serial: string;
  label: string;
  publishedAt: Date;
  hidden: boolean;
  /** Whether no version of its product is newer, hidden ones counted or not. */
  newest: boolean;
  newestShown: boolean;
  /** Set when a client pushed it. */
  pushed?: PushedDetails;
  /** Aliases that follow the product's newest version, and those that are pinned to this one. */
  aliases: { following: ImageAlias[]; pinned: ImageAlias[] };
  /** The target of a right to change it. */
  own: Target;
}

export interface ImageAlias {
  name: string;
  description: string;
}

/** How many images are read at a time, so that memory is bounded for any number. */
const batchSize = 500;

/** Reads images: the catalog in the form of the LXD API. Removed images are omitted. */
export class Images {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Images sorted by fingerprint; an image may occur several times, in different products. */
  async *each(): AsyncGenerator<Image> {
    let after = '';
    for (;;) {
      const rows = await select(this.#database)
        .where('root.fingerprint', '>', after)
        .orderBy('root.fingerprint')
        .limit(batchSize)
        .execute();
      const last = rows.at(-1)?.fingerprint;
      if (last === undefined || last === null) return;
      // The last fingerprint may continue after the batch.
      const more =
        rows.length < batchSize
          ? []
          : await select(this.#database).where('root.fingerprint', '=', last).execute();
      const whole = more.length === 0 ? rows : [...rows.filter((row) => row.fingerprint !== last), ...more];
      yield* await this.#complete(whole);
      if (rows.length < batchSize) return;
      after = last;
    }
  }

  /** Images whose fingerprint begins with `prefix`, at most some hundred. */
  async find(prefix: string): Promise<Image[]> {
    const rows = await select(this.#database)
      .where('root.fingerprint', '>=', prefix)
      .where('root.fingerprint', '<', `${prefix}g`)
      .orderBy('root.fingerprint')
      .limit(100)
      .execute();
    return await this.#complete(rows);
  }

  /** The images to keep up to date from an image server: each the newest of its product. */
  async autoUpdated(): Promise<Image[]> {
    const rows = await select(this.#database)
      .where('pushed.update_source', 'is not', null)
      .where('pushed.auto_update', '=', 1)
      .orderBy('root.version_id')
      .execute();
    return (await this.#complete(rows)).filter(({ newest }) => newest);
  }

  /**
   * The images to which an alias may point, in each stream that has it: those of the version that it is pinned to, else
   * those of every version that is its product's newest, hidden ones counted or not.
   */
  async byAlias(name: string): Promise<Image[]> {
    const rows = await select(this.#database)
      .innerJoin('aliases', (join) => join.on(ofSameFamily))
      .where('aliases.name', '=', name)
      .where('aliases.removed_at', 'is', null)
      .where((where) =>
        where.or([
          where('versions.id', '=', where.ref('aliases.version_id')),
          where.and([
            where('aliases.version_id', 'is', null),
            where.or([
              where('versions.serial', '=', newestSerial('all')),
              where('versions.serial', '=', newestSerial('shown')),
            ]),
          ]),
        ]),
      )
      .orderBy('products.name')
      .orderBy('products.stream')
      .orderBy('root.type', 'desc')
      .execute();
    return await this.#complete(rows);
  }

  async #complete(rows: ImageRow[]): Promise<Image[]> {
    if (rows.length === 0) return [];
    const aliases = await this.#database.reads
      .selectFrom('products')
      .innerJoin('aliases', (join) => join.on(ofSameFamily))
      .select(['products.id', 'aliases.name', 'aliases.description', 'aliases.version_id'])
      .select('aliases.removed_at')
      .where('products.id', 'in', [...new Set(rows.map((row) => row.product_id))])
      .orderBy('aliases.name')
      .execute();
    const byProduct = new Map<number, typeof aliases>();
    for (const alias of aliases) byProduct.set(alias.id, [...(byProduct.get(alias.id) ?? []), alias]);
    return rows.map((row) => {
      const all = byProduct.get(row.product_id) ?? [];
      const of = (version: number | null) =>
        all
          .filter((alias) => alias.version_id === version && alias.removed_at === null)
          .map(({ name, description }) => ({ name, description }));
      // An alias that was just removed, to be set again, still names the product.
      const following = all.filter((alias) => alias.version_id === null).map(({ name }) => name);
      const names = ownNames(row, following);
      const own = targetOf({ stream: row.stream, names, pushedBy: row.pushed_by ?? undefined });
      return toImage(row, { following: of(null), pinned: of(row.version_id) }, own);
    });
  }
}

function newestSerial(counted: 'all' | 'shown'): RawBuilder<string | null> {
  return sql<
    string | null
  >`(select max(newer.serial) from versions as newer where newer.product_id = products.id
    and newer.removed_at is null ${counted === 'all' ? sql`` : sql`and newer.hidden = 0`})`;
}

function select(database: Database) {
  return database.reads
    .selectFrom('items as root')
    .innerJoin('versions', 'versions.id', 'root.version_id')
    .innerJoin('products', 'products.id', 'versions.product_id')
    .leftJoin('items as metadata', (join) =>
      join.onRef('metadata.version_id', '=', 'root.version_id').on('metadata.type', '=', 'metadata'),
    )
    .leftJoin('pushed', 'pushed.version_id', 'versions.id')
    .leftJoin('fingerprints as computed', (join) =>
      join
        .onRef('computed.metadata', '=', 'metadata.digest')
        .onRef('computed.root', '=', 'root.digest')
        .onRef('computed.fingerprint', '=', 'root.fingerprint'),
    )
    .where('root.fingerprint', 'is not', null)
    .where('versions.removed_at', 'is', null)
    .select(['root.version_id', 'root.fingerprint', 'root.type', 'root.digest', 'root.size'])
    .select(['metadata.digest as metadata_digest', 'metadata.size as metadata_size'])
    .select('computed.fingerprint as computed')
    .select(['versions.product_id', 'versions.serial', 'versions.label', 'versions.published_at'])
    .select('versions.hidden')
    .select(['products.name', 'products.os', 'products.release', 'products.architecture', 'products.variant'])
    .select(['products.stream', 'products.place', 'products.owner', 'products.os_title'])
    .select(['products.release_title', 'products.support_eol', 'products.requirements'])
    .select('products.release_shown')
    .select(['pushed.properties', 'pushed.profiles', 'pushed.filename', 'pushed.auto_update'])
    .select(['pushed.created_at', 'pushed.expires_at', 'pushed.pushed_by', 'pushed.update_source'])
    .select([newestSerial('all').as('newest'), newestSerial('shown').as('newest_shown')]);
}

type ImageRow = Awaited<ReturnType<ReturnType<typeof select>['execute']>>[number];

function toImage(row: ImageRow, aliases: Image['aliases'], own: Target): Image {
  return {
    fingerprint: row.fingerprint ?? '',
    isComputed: row.computed !== null || row.fingerprint === row.digest,
    ...(row.metadata_digest === null || row.metadata_size === null
      ? {}
      : { metadata: { type: 'metadata', digest: row.metadata_digest, size: row.metadata_size } }),
    root: { type: readItemType(row.type, row.version_id), digest: row.digest, size: row.size },
    product: describeProduct(row),
    serial: row.serial,
    label: row.label,
    publishedAt: new Date(row.published_at),
    hidden: row.hidden === 1,
    newest: row.serial === row.newest,
    newestShown: row.serial === row.newest_shown,
    ...toPushed(row),
    aliases,
    own,
  };
}

function toPushed(row: ImageRow): { pushed?: PushedDetails } {
  const { properties, profiles, filename, auto_update, created_at, expires_at, pushed_by } = row;
  const { update_source } = row;
  if (properties === null || profiles === null || filename === null) return {};
  if (auto_update === null || created_at === null || pushed_by === null) return {};
  const columns = {
    version_id: row.version_id,
    properties,
    profiles,
    filename,
    auto_update,
    created_at,
    expires_at,
    pushed_by,
    update_source,
  };
  return { pushed: toDetails(columns) };
}
