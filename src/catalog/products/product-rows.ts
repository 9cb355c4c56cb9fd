import type { Kysely, Selectable } from 'kysely';
import { defined } from '../../model/defined.ts';
import { itemTypeNames } from '../../model/item-types.ts';
import type { Item, Product, ProductWithVersions, Version } from '../../model/versions.ts';
import { jsonColumn, textRecord, wordColumn } from '../database/checked-column.ts';
import type { Tables } from '../database/tables.ts';
import { ofSameFamily } from './alias-rows.ts';

const readRequirements = jsonColumn('products.requirements', textRecord);

/** Checks the type of an item, whose version messages name. */
export const readItemType = wordColumn('items.type', itemTypeNames);

/**
 * The products of rows, with the versions and aliases that belong to them.
 * @param options.removed include versions that left the documents and are still fetchable
 * @param options.forDocuments as documents show them: without hidden versions, and with aliases that were removed a
 * moment ago
 */
export async function completeProducts(
  reads: Kysely<Tables>,
  rows: Selectable<Tables['products']>[],
  { removed = false, forDocuments = false }: { removed?: boolean; forDocuments?: boolean },
): Promise<ProductWithVersions[]> {
  if (rows.length === 0) return [];
  const ids = rows.map((row) => row.id);
  const itemRows = await reads
    .selectFrom('versions')
    .innerJoin('items', 'items.version_id', 'versions.id')
    .leftJoin('pushed', 'pushed.version_id', 'versions.id')
    .selectAll('items')
    .select(['versions.product_id', 'versions.serial', 'versions.label', 'versions.published_at'])
    .select(['versions.hidden', 'pushed.pushed_by'])
    .where('versions.product_id', 'in', ids)
    .$if(!removed, (select) => select.where('versions.removed_at', 'is', null))
    .$if(forDocuments, (select) => select.where('versions.hidden', '=', 0))
    .orderBy('versions.product_id')
    .orderBy('versions.serial')
    .orderBy('items.file')
    .execute();
  const aliasRows = await reads
    .selectFrom('aliases')
    .innerJoin('products', (join) => join.on(ofSameFamily))
    .leftJoin('versions', 'versions.id', 'aliases.version_id')
    .select(['products.id', 'aliases.name', 'versions.product_id as pinned', 'versions.serial'])
    .where('products.id', 'in', ids)
    .$if(!forDocuments, (select) => select.where('aliases.removed_at', 'is', null))
    .orderBy('aliases.name')
    .execute();

  const products = new Map<number, ProductWithVersions>(
    rows.map((row) => [row.id, { ...toProduct(row), versions: [] }]),
  );
  for (const { id, name, pinned, serial } of aliasRows) {
    if (serial === null) products.get(id)?.aliases.push(name);
    else if (pinned === id) products.get(id)?.pins.push({ alias: name, serial });
  }
  let version: Version | undefined;
  let versionId: number | undefined;
  for (const row of itemRows) {
    if (version === undefined || row.version_id !== versionId) {
      versionId = row.version_id;
      version = {
        serial: row.serial,
        label: row.label,
        publishedAt: new Date(row.published_at),
        hidden: row.hidden === 1,
        ...defined({ pushedBy: row.pushed_by ?? undefined }),
        items: [],
      };
      products.get(row.product_id)?.versions.push(version);
    }
    version.items.push(toItem(row));
  }
  return [...products.values()];
}

/** A product from its row, without versions and aliases. */
function toProduct(row: Selectable<Tables['products']>): Product {
  return { ...describeProduct(row), aliases: [], pins: [] };
}

/** The details in the row of a product. */
export function describeProduct(
  row: Omit<Selectable<Tables['products']>, 'id' | 'revision'>,
): Omit<Product, 'aliases' | 'pins'> {
  return {
    name: row.name,
    os: row.os,
    release: row.release,
    architecture: row.architecture,
    variant: row.variant,
    stream: row.stream,
    owner: row.owner,
    osTitle: row.os_title,
    releaseTitle: row.release_title,
    ...defined({
      place: row.place || undefined,
      releaseShown: row.release_shown ?? undefined,
      supportEol: row.support_eol ?? undefined,
    }),
    requirements: readRequirements(row.requirements, row.name),
  };
}

/** An item from its row. */
export function toItem(row: Selectable<Tables['items']>): Item {
  return {
    file: row.file,
    type: readItemType(row.type, row.version_id),
    digest: row.digest,
    size: row.size,
    ...defined({ fingerprint: row.fingerprint ?? undefined, deltaBase: row.delta_base ?? undefined }),
  };
}
