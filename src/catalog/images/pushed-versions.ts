import type { Kysely } from 'kysely';
import { HeadwaterError } from '../../errors.ts';
import { productName, type StreamFamily, serialAfter, serialOf } from '../../model/names.ts';
import type { Change } from '../database/change.ts';
import type { Tables } from '../database/tables.ts';
import { followers, ownNames } from '../products/ownership.ts';
import { toItem } from '../products/product-rows.ts';
import { claimProduct, insertVersions } from '../products/version-rows.ts';

// Finds, makes and moves versions of pushed images, within changes.

/** A version by its place. */
export interface VersionPlace {
  stream: string;
  /** The name of its product. */
  product: string;
  serial: string;
}

/** A version with the fields of its place. */
export type PlacedVersion = Awaited<ReturnType<ReturnType<typeof placed>['executeTakeFirstOrThrow']>>;

/**
 * A version that was not removed.
 * @throws HeadwaterError `not-found`
 */
export async function findPlaced(
  db: Kysely<Tables>,
  { stream, product, serial }: VersionPlace,
): Promise<PlacedVersion> {
  const row = await placed(db)
    .where('products.stream', '=', stream)
    .where('products.name', '=', product)
    .where('versions.serial', '=', serial)
    .executeTakeFirst();
  if (row === undefined) throw new HeadwaterError('not-found', 'Image not found');
  return row;
}

/** The versions of a stream that have an image of this fingerprint and were not removed, the latest first. */
export async function findImages(
  db: Kysely<Tables>,
  image: { fingerprint: string; stream: string; owner: string },
): Promise<PlacedVersion[]> {
  return await placed(db)
    .innerJoin('items', 'items.version_id', 'versions.id')
    .where('items.fingerprint', '=', image.fingerprint)
    .where('products.stream', '=', image.stream)
    .where('products.owner', '=', image.owner)
    .orderBy('versions.id', 'desc')
    .execute();
}

/** Whether a version is the newest of its product. */
export async function isNewest(db: Kysely<Tables>, version: PlacedVersion): Promise<boolean> {
  const newer = await db
    .selectFrom('versions')
    .select('id')
    .where('product_id', '=', version.product_id)
    .where('serial', '>', version.serial)
    .where('removed_at', 'is', null)
    .executeTakeFirst();
  return newer === undefined;
}

/** Whether a product is in the documents: then its details are not taken from a hidden version. */
export async function isShown(db: Kysely<Tables>, productId: number): Promise<boolean> {
  const shown = await db
    .selectFrom('versions')
    .select('id')
    .where('product_id', '=', productId)
    .where('removed_at', 'is', null)
    .where('hidden', '=', 0)
    .limit(1)
    .executeTakeFirst();
  return shown !== undefined;
}

/** The serial of a version that is pushed now: the current minute, or the one after the product's last. */
export async function nextSerial(db: Kysely<Tables>, productId: number, now: Date): Promise<string> {
  const { last } = await db
    .selectFrom('versions')
    .select((expression) => expression.fn.max<string | null>('serial').as('last'))
    .where('product_id', '=', productId)
    .executeTakeFirstOrThrow();
  const present = serialOf(now);
  if (last === null || last < present) return present;
  return serialAfter(last);
}

/**
 * Moves a version into another family, as its newest: its files stay fetchable at the old place for the grace period,
 * like those of a removed version.
 * @returns the version in its new place
 */
export async function rehome(
  change: Change,
  version: PlacedVersion,
  family: StreamFamily,
  now: Date,
): Promise<PlacedVersion> {
  const { os, release, variant } = family;
  const key = { os, release, variant, architecture: version.architecture };
  const { stream, owner } = version;
  const details = { osTitle: version.os_title, releaseTitle: version.release_title, requirements: {} };
  const product = await claimProduct(change, { product: key, stream, owner, details });
  const describes = version.hidden === 0 || !(await isShown(change.db, product.id));
  const items = await change.db
    .selectFrom('items')
    .selectAll()
    .where('version_id', '=', version.id)
    .execute();
  const serial = await nextSerial(change.db, product.id, now);
  const { label, hidden } = version;
  const moved = {
    productId: product.id,
    serial,
    label,
    items: items.map(toItem),
    hidden: hidden === 1,
    publishedAt: new Date(version.published_at),
    charge: version,
  };
  const id = (await insertVersions(change, [moved]))(moved);
  const pushed = await change.db
    .selectFrom('pushed')
    .selectAll()
    .where('version_id', '=', version.id)
    .executeTakeFirst();
  if (pushed !== undefined) {
    await change.db
      .insertInto('pushed')
      .values({ ...pushed, version_id: id })
      .execute();
  }
  await change.db
    .updateTable('aliases')
    .set({ ...family, version_id: id })
    .where('version_id', '=', version.id)
    .execute();
  await change.db
    .updateTable('products')
    .set({
      revision: await change.revision(),
      ...(describes
        ? {
            os_title: version.os_title,
            release_title: version.release_title,
            release_shown: version.release_shown,
            support_eol: version.support_eol,
            requirements: version.requirements,
          }
        : {}),
    })
    .where('id', '=', product.id)
    .execute();
  await retire(change, version, now);
  return await findPlaced(change.db, { stream, product: productName(key), serial });
}

/** Removes a version from the documents, with the aliases that are pinned to it. @returns those aliases */
export async function retire(
  change: Change,
  version: { id: number; product_id: number },
  now: Date,
): Promise<string[]> {
  await change.db
    .updateTable('versions')
    .set({ removed_at: now.getTime() })
    .where('id', '=', version.id)
    .execute();
  const pins = await change.db
    .deleteFrom('aliases')
    .where('version_id', '=', version.id)
    .returning('name')
    .execute();
  await change.db
    .updateTable('products')
    .set({ revision: await change.revision() })
    .where('id', '=', version.product_id)
    .execute();
  return pins.map(({ name }) => name);
}

/**
 * Refuses to make an image public that another version already lists, in any stream that the actor may see: others must
 * not show by a refusal that they have it. Clients of simplestreams refuse an image that is listed twice ("More than
 * one match").
 * @param versionId the version to list, if it exists
 * @throws HeadwaterError `conflict`, naming the other one
 */
export async function assertListedOnce(
  change: Change,
  fingerprints: string[],
  versionId = -1,
): Promise<void> {
  const others = await placed(change.db)
    .innerJoin('items', 'items.version_id', 'versions.id')
    .where('items.fingerprint', 'in', fingerprints)
    .where('versions.hidden', '=', 0)
    .where('versions.id', '!=', versionId)
    .execute();
  for (const other of others) {
    const names = ownNames(other, await followers(change.db, other));
    if (!(await change.permit.maySee({ stream: other.stream, names }, true))) continue;
    throw new HeadwaterError(
      'conflict',
      `the image is public already, as ${other.name} ${other.serial} in the stream ${other.stream}: ` +
        'keep this one private, since clients refuse an image that is listed twice',
    );
  }
}

function placed(db: Kysely<Tables>) {
  return db
    .selectFrom('versions')
    .innerJoin('products', 'products.id', 'versions.product_id')
    .select(['versions.id', 'versions.product_id', 'versions.serial', 'versions.label'])
    .select(['versions.hidden', 'versions.published_at', 'versions.published_by', 'versions.bytes'])
    .select(['products.name', 'products.os', 'products.release', 'products.variant', 'products.architecture'])
    .select(['products.stream', 'products.owner', 'products.os_title', 'products.release_title'])
    .select(['products.release_shown', 'products.support_eol', 'products.requirements'])
    .where('versions.removed_at', 'is', null);
}
