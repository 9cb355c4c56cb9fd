import type { Kysely } from 'kysely';
import { serialAfter } from '../../model/names.ts';
import type { Item, VersionDraft } from '../../model/versions.ts';
import type { Tables } from '../database/tables.ts';
import { findVersion } from './version-rows.ts';

/**
 * The serial of a new version. A given serial stays. A derived serial is that of a version with the same files, if
 * there is one, or else the first free one from the draft's on, which was not withdrawn.
 */
export async function serialFor(
  db: Kysely<Tables>,
  productId: number,
  draft: Pick<VersionDraft, 'serial' | 'serialIsDerived' | 'items'>,
): Promise<string> {
  if (draft.serialIsDerived !== true) return draft.serial;
  const alike = await db
    .selectFrom('versions')
    .innerJoin('items', 'items.version_id', 'versions.id')
    .select(['versions.serial', 'versions.removed_at'])
    .distinct()
    .where('versions.product_id', '=', productId)
    .where(
      'items.digest',
      'in',
      draft.items.map(({ digest }) => digest),
    )
    .orderBy('versions.serial', 'desc')
    .execute();
  // A version that was just removed may come back; shown versions are preferred.
  const ordered = [...alike.filter((row) => row.removed_at === null), ...alike];
  for (const { serial } of ordered) {
    const version = await findVersion(db, productId, serial);
    if (version !== undefined && haveSameFiles(draft.items, version.items)) return serial;
  }
  const rows = await db
    .selectFrom('versions')
    .select('serial')
    .where('product_id', '=', productId)
    .where('serial', '>=', draft.serial)
    .execute();
  const withdrawn = await db
    .selectFrom('withdrawn_versions')
    .innerJoin('products', (join) =>
      join
        .onRef('products.stream', '=', 'withdrawn_versions.stream')
        .onRef('products.name', '=', 'withdrawn_versions.product'),
    )
    .select('withdrawn_versions.serial')
    .where('products.id', '=', productId)
    .execute();
  const taken = new Set([...rows, ...withdrawn].map(({ serial }) => serial));
  let serial = draft.serial;
  while (taken.has(serial)) serial = serialAfter(serial);
  return serial;
}

/** Whether two versions have the same files, apart from deltas. */
export function haveSameFiles(one: readonly Item[], other: readonly Item[]): boolean {
  const list = (items: readonly Item[]) =>
    items
      .filter((item) => item.deltaBase === undefined)
      .map((item) => `${item.type} ${item.digest}`)
      .sort()
      .join();
  return list(one) === list(other);
}
