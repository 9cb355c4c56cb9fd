import type { Kysely } from 'kysely';
import type { Tables } from '../database/tables.ts';
import { mirrorOf } from '../products/ownership.ts';

export const lostStates = ['missing', 'damaged'] as const;

/** A blob that was found damaged or missing. */
export interface LostRecord {
  digest: string;
  /** Its right size in bytes. */
  size: number;
  state: (typeof lostStates)[number];
  /** The reason, in words. */
  problem: string;
}

/** The records of blobs that are still lost: versions or documents need them, and neither the store nor a mirror on demand has them. */
export function lostNow(db: Kysely<Tables>) {
  return db
    .selectFrom('lost_blobs')
    .where(({ eb, or, selectFrom }) =>
      or([
        eb('lost_blobs.digest', 'in', selectFrom('items').select('items.digest')),
        eb('lost_blobs.digest', 'in', selectFrom('kept_documents').select('kept_documents.blob')),
      ]),
    )
    .where('lost_blobs.digest', 'not in', (select) => select.selectFrom('blobs').select('blobs.digest'))
    .where('lost_blobs.digest', 'not in', (select) => select.selectFrom('sources').select('sources.digest'));
}

/** Whether a blob was found damaged or missing, and was not stored again. */
export async function isKnownLost(db: Kysely<Tables>, digest: string): Promise<boolean> {
  const row = await db
    .selectFrom('lost_blobs')
    .leftJoin('blobs', 'blobs.digest', 'lost_blobs.digest')
    .select('lost_blobs.digest')
    .where('lost_blobs.digest', '=', digest)
    .where('blobs.digest', 'is', null)
    .executeTakeFirst();
  return row !== undefined;
}

/** Records a lost blob, and tells the mirrors whose versions or documents need it. Forgets those that are no longer lost. */
export async function recordLost(
  db: Kysely<Tables>,
  { digest, size, state, problem }: LostRecord,
  now: Date,
): Promise<void> {
  await db
    .deleteFrom('lost_blobs')
    .where('digest', 'not in', lostNow(db).select('lost_blobs.digest'))
    .execute();
  const values = { size, state, problem, found_at: now.getTime() };
  await db
    .insertInto('lost_blobs')
    .values({ digest, ...values })
    .onConflict((conflict) => conflict.column('digest').doUpdateSet(values))
    .execute();
  const owners = await db
    .selectFrom('items')
    .innerJoin('versions', 'versions.id', 'items.version_id')
    .innerJoin('products', 'products.id', 'versions.product_id')
    .select('products.owner')
    .distinct()
    .where('items.digest', '=', digest)
    .union(db.selectFrom('kept_documents').select('owner').where('blob', '=', digest))
    .execute();
  const mirrors = owners.flatMap(({ owner }) => mirrorOf(owner) ?? []);
  if (mirrors.length === 0) return;
  await db
    .updateTable('mirrors')
    .set((row) => ({ losses: row('losses', '+', 1) }))
    .where('name', 'in', mirrors)
    .execute();
}
