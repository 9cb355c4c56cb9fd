import type { Transaction } from 'kysely';
import { HeadwaterError } from '../../errors.ts';
import { familyOf } from '../../model/names.ts';
import type { Permit } from '../../model/rights.ts';
import type { Note } from '../database/database.ts';
import type { Tables } from '../database/tables.ts';
import { ownTarget, pushOwner } from '../products/ownership.ts';
import {
  findImages,
  findPlaced,
  isNewest,
  type PlacedVersion,
  retire,
  type VersionPlace,
} from './pushed-versions.ts';

// Parts of transactions that change pushed images.

/**
 * A version that shall be replaced, with the aliases that lead to it: first those that follow its product, after which
 * that is named.
 */
export async function findReplaced(
  transaction: Transaction<Tables>,
  place: VersionPlace,
  permit: Permit,
): Promise<{ version: PlacedVersion; aliases: { name: string; description: string }[] }> {
  const version = await findPlaced(transaction, place);
  await permit.demand('publish', await ownTarget(transaction, version));
  if (!(await isNewest(transaction, version))) {
    throw new HeadwaterError('conflict', `${place.product} ${place.serial} has a newer version by now`);
  }
  const rows = await transaction
    .selectFrom('aliases')
    .select(['name', 'description', 'version_id'])
    .where(({ and }) => and(familyOf(version)))
    .where('removed_at', 'is', null)
    .orderBy('name')
    .execute();
  const following = rows.filter((row) => row.version_id === null);
  const pinned = rows.filter((row) => row.version_id === version.id);
  return {
    version,
    aliases: [...following, ...pinned].map(({ name, description }) => ({ name, description })),
  };
}

export async function fingerprintsOf(transaction: Transaction<Tables>, versionId: number): Promise<string[]> {
  const rows = await transaction
    .selectFrom('items')
    .select('fingerprint')
    .where('version_id', '=', versionId)
    .execute();
  return rows.flatMap(({ fingerprint }) => fingerprint ?? []);
}

/** The version that has a draft's image already and that the actor may change. @param productId only of that product */
export async function findOwn(
  transaction: Transaction<Tables>,
  { stream, fingerprint }: { stream: string; fingerprint: string },
  permit: Permit,
  productId: number | undefined,
): Promise<PlacedVersion | undefined> {
  for (const version of await findImages(transaction, { stream, fingerprint, owner: pushOwner(stream) })) {
    if (productId !== undefined && version.product_id !== productId) continue;
    if (await permit.may('publish', await ownTarget(transaction, version))) return version;
  }
  return undefined;
}

export function subjectOf({ name, serial }: PlacedVersion): string {
  return `${name} ${serial}`;
}

/** Removes what is beyond the newest `keep` versions of a version's product, but for those that aliases are pinned to. */
export async function prune(
  transaction: Transaction<Tables>,
  { product_id, name }: PlacedVersion,
  keep: number,
  options: { revision: number; now: Date; note: Note },
): Promise<void> {
  const live = await transaction
    .selectFrom('versions')
    .select(['id', 'product_id', 'serial'])
    .where('product_id', '=', product_id)
    .where('removed_at', 'is', null)
    .orderBy('serial', 'desc')
    .execute();
  for (const version of live.slice(keep)) {
    const pin = await transaction
      .selectFrom('aliases')
      .select('name')
      .where('version_id', '=', version.id)
      .where('removed_at', 'is', null)
      .executeTakeFirst();
    if (pin !== undefined) continue;
    const [fingerprint] = await fingerprintsOf(transaction, version.id);
    await retire(transaction, version, options);
    await options.note({
      action: 'image.prune',
      subject: `${name} ${version.serial}`,
      details: { fingerprint, keep },
    });
  }
}
