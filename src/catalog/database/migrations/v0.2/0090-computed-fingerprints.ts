import type { Kysely } from 'kysely';

/** When a fingerprint was computed. */
export async function computedFingerprints(db: Kysely<unknown>): Promise<void> {
  // Some fingerprints come from documents of upstreams, and cannot be told from the computed ones.
  await db.withTables<{ fingerprints: object }>().deleteFrom('fingerprints').execute();
  await db.schema
    .alterTable('fingerprints')
    .addColumn('computed_at', 'integer', (column) => column.notNull().defaultTo(0))
    .execute();
}
