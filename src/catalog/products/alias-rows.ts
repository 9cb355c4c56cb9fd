import type { Kysely } from 'kysely';
import { type Family, familyOf } from '../../model/names.ts';
import type { Change } from '../database/change.ts';
import type { Tables } from '../database/tables.ts';

// What a change reads and writes of aliases, and of the families that they lead to.

/**
 * Gives an alias to a family unless another one has it.
 * @returns whether another one has it
 */
export async function giveAlias(change: Change, name: string, family: Family): Promise<boolean> {
  const current = await findAlias(change.db, name);
  if (current !== undefined) return !sameFamily(current, family);
  await removeAlias(change, name);
  const { os, release, variant } = family;
  await change.db.insertInto('aliases').values({ name, os, release, variant }).execute();
  await touchFamily(change, family);
  return false;
}

/** Removes an alias, also one that only lingers. */
export async function removeAlias(change: Change, name: string): Promise<void> {
  const removed = await change.db
    .deleteFrom('aliases')
    .where('name', '=', name)
    .returningAll()
    .executeTakeFirst();
  if (removed !== undefined) await touchFamily(change, removed);
}

/** Removes the aliases of a family none of whose products has a version any more. */
export async function removeEmptyAliases(change: Change, family: Family): Promise<void> {
  const left = await change.db
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
  await change.db
    .deleteFrom('aliases')
    .where(({ and }) => and(familyOf(family)))
    .execute();
}

/** An alias that is there, not one that was removed and only lingers in the documents. */
export async function findAlias(db: Kysely<Tables>, name: string) {
  return await db
    .selectFrom('aliases')
    .selectAll()
    .where('name', '=', name)
    .where('removed_at', 'is', null)
    .executeTakeFirst();
}

/** Who owns the products of a family; undefined when it has none. */
export async function familyOwner(db: Kysely<Tables>, family: Family): Promise<string | undefined> {
  const row = await db
    .selectFrom('products')
    .select('owner')
    .where(({ and }) => and(familyOf(family)))
    .limit(1)
    .executeTakeFirst();
  return row?.owner;
}

/** The streams of the products of a family. */
export async function familyStreams(db: Kysely<Tables>, family: Family): Promise<string[]> {
  const rows = await db
    .selectFrom('products')
    .select('stream')
    .distinct()
    .where(({ and }) => and(familyOf(family)))
    .execute();
  return rows.map(({ stream }) => stream);
}

/** Has documents render every product of a family again. */
export async function touchFamily(change: Change, family: Family): Promise<void> {
  await change.db
    .updateTable('products')
    .set({ revision: await change.revision() })
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
