import type { Kysely } from 'kysely';

/** Where newer versions of pushed images are to be had. */
export async function updateSources(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('pushed').addColumn('update_source', 'text').execute();
}
