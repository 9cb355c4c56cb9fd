import { type Kysely, sql } from 'kysely';
import { HeadwaterError } from '../../errors.ts';
import { productName } from '../../model/names.ts';
import type { ProductDetails, VersionDraft } from '../../model/versions.ts';
import type { Change } from '../database/change.ts';
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
  const rows = [...products].map(([id, details]) => ({ id, columns: detailColumns(details) }));
  const [first] = rows;
  if (first === undefined) return;
  const said = Object.keys(first.columns).map(
    (column) => sql`${sql.ref(column)} = row.value -> 'columns' ->> ${sql.lit(column)}`,
  );
  await sql`
    update products set ${sql.join(said)}, revision = ${await change.revision()}
    from json_each(${JSON.stringify(rows)}) as row where products.id = row.value ->> 'id'
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

/** A new version of a product. @returns its id */
export async function insertVersion(
  change: Change,
  productId: number,
  draft: Pick<VersionDraft, 'serial' | 'upstreamName' | 'label' | 'items'> & {
    hidden?: boolean;
    /** The quota that it counts towards; none if omitted. */
    charge?: PublishedBy;
  },
  now: Date,
): Promise<number> {
  const { id } = await change.db
    .insertInto('versions')
    .values({
      product_id: productId,
      serial: draft.serial,
      label: draft.label,
      upstream_name: draft.upstreamName ?? null,
      published_at: now.getTime(),
      removed_at: null,
      hidden: draft.hidden === true ? 1 : 0,
      published_by: draft.charge?.published_by ?? null,
      bytes: draft.charge?.bytes ?? null,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  await change.db
    .insertInto('items')
    .values(
      draft.items.map((item) => ({
        version_id: id,
        file: item.file,
        type: item.type,
        digest: item.digest,
        size: item.size,
        fingerprint: item.fingerprint ?? null,
        delta_base: item.deltaBase ?? null,
      })),
    )
    .execute();
  return id;
}
