import { HeadwaterError } from '../../errors.ts';
import { familyOf, type StreamFamily } from '../../model/names.ts';
import type { Change } from '../database/change.ts';
import {
  describeFamily,
  describeStreamFamily,
  familyOwner,
  findAlias,
  findRival,
  sameFamily,
} from './alias-rows.ts';
import { followers, ownNames } from './ownership.ts';

// Decides what the error of a refused change may name: only what the actor may see.

/** Whether the actor may see all products of a family. */
export async function maySeeFamily(change: Change, family: StreamFamily): Promise<boolean> {
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

/** Explains why a family cannot get an alias, as far as the actor may see the reason. */
export async function describeTaken(
  change: Change,
  name: string,
  target: StreamFamily & { owner: string },
): Promise<string> {
  const taken = (await findAlias(change.db, target.stream, name)) ?? (await findRival(change, name, target));
  if (taken === undefined || !(await maySeeFamily(change, taken))) return 'another product';
  return taken.stream === target.stream ? describeFamily(taken) : describeStreamFamily(taken);
}

/**
 * Refuses an alias that points to another family of the stream, or that another stream has ({@link findRival}).
 * @throws HeadwaterError `conflict`, naming its target if the actor may see that
 */
export async function assertFree(
  change: Change,
  name: string,
  target: StreamFamily & { owner: string },
): Promise<void> {
  const current = await findAlias(change.db, target.stream, name);
  if (current === undefined) {
    await assertNoRival(change, name, target);
    return;
  }
  if (sameFamily(current, target)) return;
  throw new HeadwaterError(
    'conflict',
    (await maySeeFamily(change, current))
      ? `alias ${name} already points to ${describeFamily(current)}: choose another alias, or move it first with "alias set"`
      : takenMessage(name),
  );
}

/**
 * Refuses an alias that points to products of another owner, in the stream or in another one ({@link findRival}).
 * @throws HeadwaterError `conflict`, naming the owner if the actor may see the products
 */
export async function assertSameOwner(
  change: Change,
  name: string,
  target: { stream: string; owner: string },
): Promise<void> {
  const current = await findAlias(change.db, target.stream, name);
  if (current === undefined) {
    await assertNoRival(change, name, target);
    return;
  }
  const other = await familyOwner(change.db, current);
  if (other === undefined || other === target.owner) return;
  throw new HeadwaterError(
    'conflict',
    (await maySeeFamily(change, current))
      ? `alias ${name} points to ${describeFamily(current)}, which is owned by ${other}: choose another alias`
      : takenMessage(name),
  );
}

async function assertNoRival(
  change: Change,
  name: string,
  target: { stream: string; owner: string },
): Promise<void> {
  const rival = await findRival(change, name, target);
  if (rival === undefined) return;
  const where = `points to ${describeStreamFamily(rival)}`;
  const why = rival.isOwn
    ? `giving it to the stream ${target.stream}, too, needs the right to publish it in the stream ${rival.stream}`
    : `which is owned by ${rival.owner}: choose another alias`;
  throw new HeadwaterError(
    'conflict',
    (await maySeeFamily(change, rival))
      ? `alias ${name} ${where}${rival.isOwn ? ': ' : ', '}${why}`
      : takenMessage(name),
  );
}

/** The message of a refused alias whose products the actor may not see. */
export function takenMessage(alias: string): string {
  return `alias ${alias} is taken: choose another alias`;
}
