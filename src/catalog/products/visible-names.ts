import type { Transaction } from 'kysely';
import { HeadwaterError } from '../../errors.ts';
import { type Family, familyOf } from '../../model/names.ts';
import type { Permit } from '../../model/rights.ts';
import type { Tables } from '../database/tables.ts';
import { describeFamily, familyOwner, findAlias, sameFamily } from './alias-rows.ts';
import { followers, ownNames } from './ownership.ts';

// Parts of transactions that decide what a refusal may name: only what the actor may see.

/** Part of a transaction: whether the actor may see all products of a family. */
export async function maySeeFamily(
  transaction: Transaction<Tables>,
  family: Family,
  permit: Permit,
): Promise<boolean> {
  const rows = await transaction
    .selectFrom('products')
    .select(['os', 'release', 'architecture', 'variant', 'stream', 'owner'])
    .select(({ exists, selectFrom }) =>
      exists(
        selectFrom('versions')
          .select('versions.id')
          .whereRef('versions.product_id', '=', 'products.id')
          .where('versions.removed_at', 'is', null)
          .where('versions.hidden', '=', 0),
      ).as('isShown'),
    )
    .where(({ and }) => and(familyOf(family)))
    .execute();
  const following = await followers(transaction, family);
  for (const { isShown, ...product } of rows) {
    const target = { stream: product.stream, names: ownNames(product, following) };
    if (!(await permit.maySee(target, Boolean(isShown)))) return false;
  }
  return true;
}

/** Part of a transaction: what an alias leads to, in words, as far as the actor may see it. */
export async function describeAliasFor(
  transaction: Transaction<Tables>,
  name: string,
  permit: Permit,
): Promise<string> {
  const current = await findAlias(transaction, name);
  return current !== undefined && (await maySeeFamily(transaction, current, permit))
    ? describeFamily(current)
    : 'another product';
}

/**
 * Part of a transaction: refuses an alias that leads to another family.
 * @throws HeadwaterError `conflict`, naming what it leads to where the actor may see that
 */
export async function assertFree(
  transaction: Transaction<Tables>,
  name: string,
  family: Family,
  permit: Permit,
): Promise<void> {
  const current = await findAlias(transaction, name);
  if (current === undefined || sameFamily(current, family)) return;
  throw new HeadwaterError(
    'conflict',
    (await maySeeFamily(transaction, current, permit))
      ? `alias ${name} already leads to ${describeFamily(current)}: choose another alias, or move it first with "alias set"`
      : takenMessage(name),
  );
}

/**
 * Part of a transaction: refuses an alias that leads to products of another owner.
 * @throws HeadwaterError `conflict`, naming the owner where the actor may see the products
 */
export async function assertSameOwner(
  transaction: Transaction<Tables>,
  name: string,
  { owner, permit }: { owner: string; permit: Permit },
): Promise<void> {
  const current = await findAlias(transaction, name);
  if (current === undefined) return;
  const other = await familyOwner(transaction, current);
  if (other === undefined || other === owner) return;
  throw new HeadwaterError(
    'conflict',
    (await maySeeFamily(transaction, current, permit))
      ? `alias ${name} leads to ${describeFamily(current)}, which is owned by ${other}: choose another alias`
      : takenMessage(name),
  );
}

/** The message of a refused alias whose products the actor may not see. */
export function takenMessage(alias: string): string {
  return `alias ${alias} is taken: choose another alias`;
}
