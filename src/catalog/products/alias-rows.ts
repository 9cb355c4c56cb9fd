import { type Kysely, type SqlBool, sql } from 'kysely';
import { familyOf, inStream, type StreamFamily } from '../../model/names.ts';
import type { Change } from '../database/change.ts';
import type { Tables } from '../database/tables.ts';

// Reads and writes aliases, and the families to which they point, within a change.

/** The condition under which a row of `aliases` points to a row of `products`, or to one version of it. */
export const ofSameFamily = sql<SqlBool>`(aliases.stream = products.stream and aliases.os = products.os
  and aliases.release = products.release and aliases.variant = products.variant)`;

/** The columns of the products of a family, for a query that has other tables, too. */
export function productsOf({ stream, os, release, variant }: StreamFamily) {
  return {
    'products.stream': stream,
    'products.os': os,
    'products.release': release,
    'products.variant': variant,
  };
}

/**
 * Gives an alias to a family, unless another family of the stream has it, or {@link findRival} finds one elsewhere.
 * @returns whether another one has it
 */
export async function giveAlias(
  change: Change,
  name: string,
  target: StreamFamily & { owner: string },
): Promise<boolean> {
  const current = await findAlias(change.db, target.stream, name);
  if (current !== undefined) return !sameFamily(current, target);
  if ((await findRival(change, name, target)) !== undefined) return true;
  await removeAlias(change, target.stream, name);
  await change.db
    .insertInto('aliases')
    .values({ name, ...familyOf(target) })
    .execute();
  await touchFamily(change, target);
  return false;
}

/** Removes an alias, also one that was removed and is still in the documents. */
export async function removeAlias(change: Change, stream: string, name: string): Promise<void> {
  const removed = await change.db
    .deleteFrom('aliases')
    .where('stream', '=', stream)
    .where('name', '=', name)
    .returningAll()
    .executeTakeFirst();
  if (removed !== undefined) await touchFamily(change, removed);
}

/** Removes the aliases of a family none of whose products has a version any more. */
export async function removeEmptyAliases(change: Change, family: StreamFamily): Promise<void> {
  const left = await change.db
    .selectFrom('versions')
    .innerJoin('products', 'products.id', 'versions.product_id')
    .select('versions.id')
    .where(({ and }) => and(productsOf(family)))
    .where('versions.removed_at', 'is', null)
    .limit(1)
    .executeTakeFirst();
  if (left !== undefined) return;
  await change.db
    .deleteFrom('aliases')
    .where(({ and }) => and(familyOf(family)))
    .execute();
}

/** An alias of a stream, except one that was removed and is still in the documents. */
export async function findAlias(db: Kysely<Tables>, stream: string, name: string) {
  return await db
    .selectFrom('aliases')
    .selectAll()
    .where('stream', '=', stream)
    .where('name', '=', name)
    .where('removed_at', 'is', null)
    .executeTakeFirst();
}

/** The aliases of a name, in every stream, except removed ones that are still in the documents. */
export async function findAliases(db: Kysely<Tables>, name: string) {
  return await db
    .selectFrom('aliases')
    .selectAll()
    .where('name', '=', name)
    .where('removed_at', 'is', null)
    .orderBy('stream')
    .execute();
}

/**
 * The alias of another stream that keeps a stream from getting one of the same name: clients that see both streams take
 * the newest image of the two, so the identity that sets the second one must own the products of the first one and have
 * a right to publish it.
 */
export async function findRival(change: Change, name: string, target: { stream: string; owner: string }) {
  for (const other of await findAliases(change.db, name)) {
    if (other.stream === target.stream) continue;
    const owner = await familyOwner(change.db, other);
    if (owner === undefined) continue;
    const isOwn = owner === target.owner;
    const { stream } = other;
    if (!isOwn || !(await change.permit.may('publish', { stream, names: [name] })))
      return { ...other, owner, isOwn };
  }
  return undefined;
}

/** The owner of the products of a family; undefined when it has none. */
export async function familyOwner(db: Kysely<Tables>, family: StreamFamily): Promise<string | undefined> {
  const row = await db
    .selectFrom('products')
    .select('owner')
    .where(({ and }) => and(familyOf(family)))
    .limit(1)
    .executeTakeFirst();
  return row?.owner;
}

/** Makes documents render every product of a family again. */
export async function touchFamily(change: Change, family: StreamFamily): Promise<void> {
  await change.db
    .updateTable('products')
    .set({ revision: await change.revision() })
    .where(({ and }) => and(familyOf(family)))
    .execute();
}

export function sameFamily(one: StreamFamily, other: StreamFamily): boolean {
  return (
    one.stream === other.stream &&
    one.os === other.os &&
    one.release === other.release &&
    one.variant === other.variant
  );
}

/** A family as text: `debian:bookworm:*:default`. */
export function describeFamily(family: Omit<StreamFamily, 'stream'>): string {
  return `${family.os}:${family.release}:*:${family.variant}`;
}

/** A family as text, with its stream. */
export function describeStreamFamily(family: StreamFamily): string {
  return inStream(family.stream, describeFamily(family));
}
