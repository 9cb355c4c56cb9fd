import { type Kysely, type SqlBool, sql } from 'kysely';
import { defined } from '../../model/defined.ts';
import {
  familyOf,
  impliedAliases,
  type ProductKey,
  productName,
  type StreamFamily,
} from '../../model/names.ts';
import type { Target } from '../../model/rights.ts';
import type { Tables } from '../database/tables.ts';
import { aliasOfRelease } from './product-of-alias.ts';

/** The prefix of the owner of images that are pushed to a stream. */
const streamPrefix = 'stream:';

/** The owner of the images pushed to a stream: all identities that may publish there share them, like a team. */
export function pushOwner(stream: string): string {
  return `${streamPrefix}${stream}`;
}

/** Whether clients push to a product; otherwise it is published. */
export function isPushed({ owner }: { owner: string }): boolean {
  return owner.startsWith(streamPrefix);
}

/** The condition of a query for products to which no client pushes. */
export const ofNoClient = sql<SqlBool>`products.owner not like ${`${streamPrefix}%`}`;

/** Begins the owner of the products of a mirror. */
const mirrorPrefix = 'mirror:';

/** The owner of the products of a mirror. */
export function ownerOf(mirror: string): string {
  return `${mirrorPrefix}${mirror}`;
}

/** The mirror of an owner, if the owner is a mirror. */
export function mirrorOf(owner: string): string | undefined {
  return owner.startsWith(mirrorPrefix) ? owner.slice(mirrorPrefix.length) : undefined;
}

/**
 * The names of a product itself, which decide who may change it. An alias that is pinned to one of its versions is not
 * one of them.
 * @param following the aliases that follow the product
 */
export function ownNames(product: ProductKey & { owner: string }, following: readonly string[]): string[] {
  const name = productName(product);
  if (!isPushed(product)) return [name, ...impliedAliases(product)];
  if (following.length > 0) return [name, ...following];
  // Its alias was removed, or stays with an older version: it is still the product of that alias.
  const alias = product.variant === 'default' ? aliasOfRelease(product.release) : undefined;
  return alias === undefined ? [name] : [name, alias];
}

/** The target of a right to change a version. */
export async function ownTarget(
  db: Kysely<Tables>,
  version: ProductKey & { id: number; stream: string; owner: string },
): Promise<Target> {
  const pushed = await db
    .selectFrom('pushed')
    .select('pushed_by')
    .where('version_id', '=', version.id)
    .executeTakeFirst();
  const names = ownNames(version, await followers(db, version));
  return targetOf({ stream: version.stream, names, pushedBy: pushed?.pushed_by });
}

/** The aliases that follow a family, including one that was just removed, to be set again. */
export async function followers(db: Kysely<Tables>, family: StreamFamily): Promise<string[]> {
  const rows = await db
    .selectFrom('aliases')
    .select('name')
    .where(({ and }) => and(familyOf(family)))
    .where('version_id', 'is', null)
    .execute();
  return rows.map(({ name }) => name);
}

/**
 * The names to which a right is required to make an alias follow a family: the alias, and for pushed images, whose
 * products are named by the aliases that follow them, also those of the products.
 */
export async function aliasTargets(
  db: Kysely<Tables>,
  name: string,
  family: StreamFamily,
): Promise<Target[]> {
  const products = await db
    .selectFrom('products')
    .select(['os', 'release', 'architecture', 'variant', 'stream', 'owner'])
    .where(({ and }) => and(familyOf(family)))
    .execute();
  const following = await followers(db, family);
  return products.flatMap((product) => {
    const { stream } = product;
    const alias: Target = { stream, names: [name] };
    if (!isPushed(product)) return [alias];
    return [alias, { stream, names: ownNames(product, following), shownAs: 'this product' }];
  });
}

/** The target of a permission check for a version. A version without a name belongs to the identity that pushed it. */
export function targetOf(version: {
  stream: string;
  /** {@link ownNames} */
  names: string[];
  pushedBy: string | undefined;
}): Target {
  const { stream, names, pushedBy } = version;
  const isNamed = names.length > 1;
  return {
    stream,
    names,
    ...defined({ pushedBy: isNamed ? undefined : pushedBy }),
    shownAs: 'this image',
  };
}
