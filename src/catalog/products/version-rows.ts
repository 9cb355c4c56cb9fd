import { type Kysely, sql } from 'kysely';
import { HeadwaterError } from '../../errors.ts';
import { productName } from '../../model/names.ts';
import type { ProductDetails, VersionDraft } from '../../model/versions.ts';
import type { Change } from '../database/change.ts';
import { insertRows, rowsOf } from '../database/json-rows.ts';
import type { Tables } from '../database/tables.ts';
import type { PublishedBy } from '../quotas.ts';
import { toItem } from './product-rows.ts';
import { maySeeFamily } from './visible-names.ts';

/** The fields from which a product is created with its first version. */
type ProductDraft = Pick<VersionDraft, 'product' | 'stream' | 'owner' | 'details'>;

/**
 * The product of a version, created if the stream has none of its name.
 * @throws HeadwaterError `conflict` when it belongs to another owner, who is named if the actor may see the product
 */
export async function claimProduct(change: Change, draft: ProductDraft): Promise<{ id: number }> {
  const { stream, owner } = draft;
  const name = productName(draft.product);
  const row = await change.db
    .selectFrom('products')
    .select(['id', 'owner'])
    .where('name', '=', name)
    .where('stream', '=', stream)
    .executeTakeFirst();
  if (row === undefined) return await insertProduct(change, draft, name);
  if (row.owner === owner) return row;
  throw new HeadwaterError(
    'conflict',
    (await maySeeFamily(change, { stream, ...draft.product }))
      ? `product ${name} is owned by ${row.owner}: publish under another os, release or variant, or in another stream`
      : `product ${name} cannot be published here: publish under another os, release or variant`,
  );
}

async function insertProduct(change: Change, draft: ProductDraft, name: string): Promise<{ id: number }> {
  return await change.db
    .insertInto('products')
    .values({
      name,
      ...draft.product,
      stream: draft.stream,
      place: await freePlace(change, name, draft.stream),
      owner: draft.owner,
      os_title: draft.details.osTitle,
      release_title: draft.details.releaseTitle,
      support_eol: null,
      requirements: '{}',
      revision: 0,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
}

/**
 * The place of a new product's files: the plain path, unless another product of this name has it, else below the name
 * of the stream. A product that moved into another stream keeps its place, so that one may be taken, too.
 */
async function freePlace(change: Change, name: string, stream: string): Promise<string> {
  const rows = await change.db.selectFrom('products').select('place').where('name', '=', name).execute();
  const taken = new Set(rows.map(({ place }) => place));
  let place = '';
  for (let count = 1; taken.has(place); count++) place = count === 1 ? stream : `${stream}~${count}`;
  return place;
}

/** A version with its items, also one that was removed. */
export async function findVersion(db: Kysely<Tables>, productId: number, serial: string) {
  const row = await db
    .selectFrom('versions')
    .select(['id', 'removed_at'])
    .where('product_id', '=', productId)
    .where('serial', '=', serial)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const items = await db.selectFrom('items').selectAll().where('version_id', '=', row.id).execute();
  return { ...row, items: items.map(toItem) };
}

/** The details of products after a publish, by their ids. */
export async function describeProducts(
  change: Change,
  products: ReadonlyMap<number, ProductDetails>,
): Promise<void> {
  if (products.size === 0) return;
  const rows = [...products].map(([id, details]) => ({ id, ...detailColumns(details) }));
  const columns = {
    id: 'bigint',
    os_title: 'text',
    release_title: 'text',
    support_eol: 'text',
    release_shown: 'text',
    requirements: 'text',
  } as const;
  await sql`
    update products set os_title = rows.os_title, release_title = rows.release_title,
      support_eol = rows.support_eol, release_shown = rows.release_shown, requirements = rows.requirements,
      revision = ${await change.revision()}
    from ${rowsOf(columns, rows)} where products.id = rows.id
  `.execute(change.db);
}

/** The details of a product, in the form of its row. */
export function detailColumns(details: ProductDetails) {
  return {
    os_title: details.osTitle,
    release_title: details.releaseTitle,
    support_eol: details.supportEol ?? null,
    release_shown: details.releaseShown ?? null,
    requirements: JSON.stringify(details.requirements),
  };
}

/** A version about to be inserted. */
export interface NewVersion extends Pick<VersionDraft, 'serial' | 'upstreamName' | 'label' | 'items'> {
  productId: number;
  publishedAt: Date;
  hidden?: boolean;
  /** The quota that it counts towards; none if omitted. */
  charge?: PublishedBy;
}

const versionColumns = {
  product_id: 'bigint',
  serial: 'text',
  label: 'text',
  upstream_name: 'text',
  published_at: 'bigint',
  hidden: 'bigint',
  published_by: 'text',
  bytes: 'bigint',
} as const;

const itemColumns = {
  version_id: 'bigint',
  file: 'text',
  type: 'text',
  digest: 'text',
  size: 'bigint',
  fingerprint: 'text',
  delta_base: 'text',
} as const;

/** Inserts versions with their items: every version of the catalog comes in here. @returns tells the id of each */
export async function insertVersions(
  change: Change,
  versions: readonly NewVersion[],
): Promise<(version: VersionKey) => number> {
  const rows = versions.map((version) => ({
    product_id: version.productId,
    serial: version.serial,
    label: version.label,
    upstream_name: version.upstreamName ?? null,
    published_at: version.publishedAt.getTime(),
    hidden: version.hidden === true ? 1 : 0,
    published_by: version.charge?.published_by ?? null,
    bytes: version.charge?.bytes ?? null,
  }));
  const { rows: inserted } = await sql<VersionKey & { id: number }>`
    ${insertRows('versions', versionColumns, rows)} returning id, product_id as "productId", serial
  `.execute(change.db);
  const ids = new Map(inserted.map((row) => [versionKey(row), row.id]));
  const idOf = (version: VersionKey) => {
    const id = ids.get(versionKey(version));
    if (id === undefined) throw new Error(`the version ${version.serial} has no id`);
    return id;
  };
  const items = versions.flatMap((version) =>
    version.items.map((item) => ({
      version_id: idOf(version),
      file: item.file,
      type: item.type,
      digest: item.digest,
      size: item.size,
      fingerprint: item.fingerprint ?? null,
      delta_base: item.deltaBase ?? null,
    })),
  );
  await sql`${insertRows('items', itemColumns, items)}`.execute(change.db);
  return idOf;
}

/** A version by its product. */
export interface VersionKey {
  productId: number;
  serial: string;
}

/** Tells a version from all others. */
export function versionKey({ productId, serial }: VersionKey): string {
  return `${productId} ${serial}`;
}
