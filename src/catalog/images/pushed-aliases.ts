import type { Kysely } from 'kysely';
import { HeadwaterError } from '../../errors.ts';
import { familyOf, type StreamFamily } from '../../model/names.ts';
import type { Change } from '../database/change.ts';
import type { Tables } from '../database/tables.ts';
import { findAlias, removeAlias, sameFamily, touchFamily } from '../products/alias-rows.ts';
import { followers } from '../products/ownership.ts';
import { isUnnamed, releaseOfAlias } from '../products/product-of-alias.ts';
import { assertSameOwner } from '../products/visible-names.ts';
import { isNewest, type PlacedVersion, rehome } from './pushed-versions.ts';

// Points aliases to pushed images, or to other images, within a change.

/** How many names for the product of one alias are tried: one more than how often it can have been renamed. */
const mostVariants = 1000;

/**
 * The family whose newest version a pushed alias follows: the one that it points to, else the one that is named after
 * it, unless that came to be another alias's own when this one was renamed: then the next of its variants.
 */
export async function familyOfAlias(db: Kysely<Tables>, name: string, stream: string): Promise<StreamFamily> {
  const current = await db
    .selectFrom('aliases')
    .selectAll()
    .where('stream', '=', stream)
    .where('name', '=', name)
    .where('version_id', 'is', null)
    .executeTakeFirst();
  if (current !== undefined && current.os === stream && !isUnnamed(current)) return familyOf(current);
  const release = releaseOfAlias(name);
  for (let count = 1; count <= mostVariants; count++) {
    const family = { stream, os: stream, release, variant: count === 1 ? 'default' : String(count) };
    if (!(await isTaken(db, family, name))) return family;
  }
  throw new HeadwaterError('conflict', `alias ${name} was renamed too often: choose another name`);
}

/**
 * Points an alias to a version, whatever it pointed to before. A version without an alias of its own moves into the
 * product of the alias, which then follows that product; a version of another product, or one that is not the newest,
 * gets the alias pinned to it.
 * @returns the version in its present place
 * @throws HeadwaterError `conflict` when the alias points to a product of another owner
 */
export async function pointAlias(
  change: Change,
  alias: { name: string; description?: string },
  version: PlacedVersion,
  now: Date,
): Promise<PlacedVersion> {
  const { name } = alias;
  const current = await findAlias(change.db, version.stream, name);
  await assertSameOwner(change, name, version);
  let target = version;
  const own = await familyOfAlias(change.db, name, version.stream);
  if (isUnnamed(version) && !(await isTaken(change.db, version, name))) {
    target = await rehome(change, version, own, now);
  }
  const follows = sameFamily(target, own) && (await isNewest(change.db, target));
  await removeAlias(change, version.stream, name);
  await change.db
    .insertInto('aliases')
    .values({
      name,
      ...familyOf(target),
      description: alias.description ?? current?.description ?? '',
      version_id: follows ? null : target.id,
    })
    .execute();
  await touchFamily(change, target);
  return target;
}

/** Whether another alias follows a family, or did a moment ago. */
async function isTaken(db: Kysely<Tables>, family: StreamFamily, name: string): Promise<boolean> {
  return (await followers(db, family)).some((follower) => follower !== name);
}
