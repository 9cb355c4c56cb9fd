import type { Transaction } from 'kysely';
import { type Family, familyOf } from '../../model/names.ts';
import type { Tables } from '../database/tables.ts';

// Parts of transactions that look at aliases and the families that they lead to, and change them.

/**
 * Part of a transaction: gives an alias to a family unless another one has it.
 * @returns whether another one has it
 */
export async function giveAlias(
  transaction: Transaction<Tables>,
  name: string,
  family: Family,
  revision: number,
): Promise<boolean> {
  const current = await findAlias(transaction, name);
  if (current !== undefined) return !sameFamily(current, family);
  await removeAlias(transaction, name, revision);
  const { os, release, variant } = family;
  await transaction.insertInto('aliases').values({ name, os, release, variant }).execute();
  await touchFamily(transaction, family, revision);
  return false;
}

/** Part of a transaction: removes an alias, also one that only lingers. */
export async function removeAlias(
  transaction: Transaction<Tables>,
  name: string,
  revision: number,
): Promise<void> {
  const removed = await transaction
    .deleteFrom('aliases')
    .where('name', '=', name)
    .returningAll()
    .executeTakeFirst();
  if (removed !== undefined) await touchFamily(transaction, removed, revision);
}

/** Part of a transaction: removes the aliases of a family none of whose products has a version any more. */
export async function removeEmptyAliases(transaction: Transaction<Tables>, family: Family): Promise<void> {
  const left = await transaction
    .selectFrom('versions')
    .innerJoin('products', 'products.id', 'versions.product_id')
    .select('versions.id')
    .where('products.os', '=', family.os)
    .where('products.release', '=', family.release)
    .where('products.variant', '=', family.variant)
    .where('versions.removed_at', 'is', null)
    .limit(1)
    .executeTakeFirst();
  if (left !== undefined) return;
  await transaction
    .deleteFrom('aliases')
    .where(({ and }) => and(familyOf(family)))
    .execute();
}

/** Part of a transaction: an alias that is there, not one that was removed and only lingers in the documents. */
export async function findAlias(transaction: Transaction<Tables>, name: string) {
  return await transaction
    .selectFrom('aliases')
    .selectAll()
    .where('name', '=', name)
    .where('removed_at', 'is', null)
    .executeTakeFirst();
}

/** Part of a transaction: who owns the products of a family; undefined when it has none. */
export async function familyOwner(
  transaction: Transaction<Tables>,
  family: Family,
): Promise<string | undefined> {
  const row = await transaction
    .selectFrom('products')
    .select('owner')
    .where(({ and }) => and(familyOf(family)))
    .limit(1)
    .executeTakeFirst();
  return row?.owner;
}

/** Part of a transaction: the streams of the products of a family. */
export async function familyStreams(transaction: Transaction<Tables>, family: Family): Promise<string[]> {
  const rows = await transaction
    .selectFrom('products')
    .select('stream')
    .distinct()
    .where(({ and }) => and(familyOf(family)))
    .execute();
  return rows.map(({ stream }) => stream);
}

/** Part of a transaction: has the documents rendered anew, of every product of a family. */
export async function touchFamily(
  transaction: Transaction<Tables>,
  family: Family,
  revision: number,
): Promise<void> {
  await transaction
    .updateTable('products')
    .set({ revision })
    .where(({ and }) => and(familyOf(family)))
    .execute();
}

export function sameFamily(one: Family, other: Family): boolean {
  return one.os === other.os && one.release === other.release && one.variant === other.variant;
}

/** A family in words. */
export function describeFamily(family: Family): string {
  return `${family.os}:${family.release}:*:${family.variant}`;
}
