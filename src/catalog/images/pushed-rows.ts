import type { Kysely } from 'kysely';
import { HeadwaterError } from '../../errors.ts';
import { familyOf } from '../../model/names.ts';
import type { Change } from '../database/change.ts';
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

// Functions that several changes of pushed images use.

/**
 * A version to replace, with the aliases that point to it: first those that follow its product, after which that is
 * named.
 */
export async function findReplaced(
  change: Change,
  place: VersionPlace,
): Promise<{ version: PlacedVersion; aliases: { name: string; description: string }[] }> {
  const version = await findPlaced(change.db, place);
  await change.permit.demand('publish', await ownTarget(change.db, version));
  if (!(await isNewest(change.db, version))) {
    throw new HeadwaterError('conflict', `${place.product} ${place.serial} has a newer version by now`);
  }
  const rows = await change.db
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

export async function fingerprintsOf(db: Kysely<Tables>, versionId: number): Promise<string[]> {
  const rows = await db
    .selectFrom('items')
    .select('fingerprint')
    .where('version_id', '=', versionId)
    .execute();
  return rows.flatMap(({ fingerprint }) => fingerprint ?? []);
}

/** The version that has a draft's image already and that the actor may change. @param productId only of that product */
export async function findOwn(
  change: Change,
  { stream, fingerprint }: { stream: string; fingerprint: string },
  productId: number | undefined,
): Promise<PlacedVersion | undefined> {
  for (const version of await findImages(change.db, { stream, fingerprint, owner: pushOwner(stream) })) {
    if (productId !== undefined && version.product_id !== productId) continue;
    if (await change.permit.may('publish', await ownTarget(change.db, version))) return version;
  }
  return undefined;
}

export function subjectOf({ name, serial }: PlacedVersion): string {
  return `${name} ${serial}`;
}

/** Removes versions beyond the newest `keep` of a version's product, except those to which aliases are pinned. */
export async function prune(
  change: Change,
  { product_id, name }: PlacedVersion,
  keep: number,
  now: Date,
): Promise<void> {
  const live = await change.db
    .selectFrom('versions')
    .select(['id', 'product_id', 'serial'])
    .where('product_id', '=', product_id)
    .where('removed_at', 'is', null)
    .orderBy('serial', 'desc')
    .execute();
  for (const version of live.slice(keep)) {
    const pin = await change.db
      .selectFrom('aliases')
      .select('name')
      .where('version_id', '=', version.id)
      .where('removed_at', 'is', null)
      .executeTakeFirst();
    if (pin !== undefined) continue;
    const [fingerprint] = await fingerprintsOf(change.db, version.id);
    await retire(change, version, now);
    await change.audit({
      action: 'image.prune',
      subject: `${name} ${version.serial}`,
      details: { fingerprint, keep },
    });
  }
}
