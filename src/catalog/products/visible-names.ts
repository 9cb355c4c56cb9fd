import { HeadwaterError } from '../../errors.ts';
import { type Family, familyOf } from '../../model/names.ts';
import type { Change } from '../database/change.ts';
import { describeFamily, familyOwner, findAlias, sameFamily } from './alias-rows.ts';
import { followers, ownNames } from './ownership.ts';

// What the error of a refused change may name: only what the actor may see.

/** Whether the actor may see all products of a family. */
export async function maySeeFamily(change: Change, family: Family): Promise<boolean> {
  const rows = await change.db
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
  const following = await followers(change.db, family);
  for (const { isShown, ...product } of rows) {
    const target = { stream: product.stream, names: ownNames(product, following) };
    if (!(await change.permit.maySee(target, Boolean(isShown)))) return false;
  }
  return true;
}

/** What an alias leads to, in words, as far as the actor may see it. */
export async function describeAliasFor(change: Change, name: string): Promise<string> {
  const current = await findAlias(change.db, name);
  return current !== undefined && (await maySeeFamily(change, current))
    ? describeFamily(current)
    : 'another product';
}

/**
 * Refuses an alias that leads to another family.
 * @throws HeadwaterError `conflict`, naming what it leads to where the actor may see that
 */
export async function assertFree(change: Change, name: string, family: Family): Promise<void> {
  const current = await findAlias(change.db, name);
  if (current === undefined || sameFamily(current, family)) return;
  throw new HeadwaterError(
    'conflict',
    (await maySeeFamily(change, current))
      ? `alias ${name} already leads to ${describeFamily(current)}: choose another alias, or move it first with "alias set"`
      : takenMessage(name),
  );
}

/**
 * Refuses an alias that leads to products of another owner.
 * @throws HeadwaterError `conflict`, naming the owner where the actor may see the products
 */
export async function assertSameOwner(change: Change, name: string, owner: string): Promise<void> {
  const current = await findAlias(change.db, name);
  if (current === undefined) return;
  const other = await familyOwner(change.db, current);
  if (other === undefined || other === owner) return;
  throw new HeadwaterError(
    'conflict',
    (await maySeeFamily(change, current))
      ? `alias ${name} leads to ${describeFamily(current)}, which is owned by ${other}: choose another alias`
      : takenMessage(name),
  );
}

/** The message of a refused alias whose products the actor may not see. */
export function takenMessage(alias: string): string {
  return `alias ${alias} is taken: choose another alias`;
}
