import { sql, type Transaction } from 'kysely';
import { HeadwaterError } from '../../errors.ts';
import { productName } from '../../model/names.ts';
import type { Permit } from '../../model/rights.ts';
import type { ProductDetails, VersionDraft } from '../../model/versions.ts';
import type { Tables } from '../database/tables.ts';
import { toItem } from './product-rows.ts';
import { maySeeFamily } from './visible-names.ts';

/** What a product is made from when it has its first version. */
type ProductDraft = Pick<VersionDraft, 'product' | 'stream' | 'owner' | 'details'>;

/**
 * Part of a transaction: the product that a version is for, made where there is none.
 * @throws HeadwaterError `conflict` when it belongs to another stream or owner, which is named where the actor may see it
 */
export async function claimProduct(
  transaction: Transaction<Tables>,
  draft: ProductDraft,
  permit: Permit,
): Promise<{ id: number }> {
  const name = productName(draft.product);
  const row = await transaction
    .selectFrom('products')
    .select(['id', 'stream', 'owner'])
    .where('name', '=', name)
    .executeTakeFirst();
  if (row === undefined) {
    return await transaction
      .insertInto('products')
      .values({
        name,
        ...draft.product,
        stream: draft.stream,
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
  const isOther = row.stream !== draft.stream || row.owner !== draft.owner;
  if (isOther && !(await maySeeFamily(transaction, draft.product, permit))) {
    throw new HeadwaterError(
      'conflict',
      `product ${name} cannot be published here: publish under another os, release or variant`,
    );
  }
  if (row.stream !== draft.stream) {
    throw new HeadwaterError(
      'conflict',
      `product ${name} belongs to the stream ${row.stream}: publish it there, or give it another variant`,
    );
  }
  if (row.owner !== draft.owner) {
    throw new HeadwaterError(
      'conflict',
      `product ${name} is owned by ${row.owner}: publish under another os, release or variant`,
    );
  }
  return row;
}

/** Part of a transaction: a version with its items, also one that was removed. */
export async function findVersion(transaction: Transaction<Tables>, productId: number, serial: string) {
  const row = await transaction
    .selectFrom('versions')
    .select(['id', 'removed_at'])
    .where('product_id', '=', productId)
    .where('serial', '=', serial)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const items = await transaction.selectFrom('items').selectAll().where('version_id', '=', row.id).execute();
  return { ...row, items: items.map(toItem) };
}

/** Part of a transaction: what is said of products after a publish, by their ids. */
export async function describeProducts(
  transaction: Transaction<Tables>,
  products: ReadonlyMap<number, ProductDetails>,
  revision: number,
): Promise<void> {
  const rows = [...products].map(([id, details]) => ({ id, columns: detailColumns(details) }));
  const [first] = rows;
  if (first === undefined) return;
  const said = Object.keys(first.columns).map(
    (column) => sql`${sql.ref(column)} = row.value -> 'columns' ->> ${sql.lit(column)}`,
  );
  await sql`
    update products set ${sql.join(said)}, revision = ${revision}
    from json_each(${JSON.stringify(rows)}) as row where products.id = row.value ->> 'id'
  `.execute(transaction);
}

/** What is said of a product, as its row keeps it. */
export function detailColumns(details: ProductDetails) {
  return {
    os_title: details.osTitle,
    release_title: details.releaseTitle,
    support_eol: details.supportEol ?? null,
    release_shown: details.releaseShown ?? null,
    requirements: JSON.stringify(details.requirements),
  };
}

/** Part of a transaction: a new version of a product. @returns its id */
export async function insertVersion(
  transaction: Transaction<Tables>,
  productId: number,
  draft: Pick<VersionDraft, 'serial' | 'upstreamName' | 'label' | 'items'> & { hidden?: boolean },
  now: Date,
): Promise<number> {
  const { id } = await transaction
    .insertInto('versions')
    .values({
      product_id: productId,
      serial: draft.serial,
      label: draft.label,
      upstream_name: draft.upstreamName ?? null,
      published_at: now.getTime(),
      removed_at: null,
      hidden: draft.hidden === true ? 1 : 0,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  await transaction
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
