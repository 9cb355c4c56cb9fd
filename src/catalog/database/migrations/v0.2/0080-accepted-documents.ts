import type { Kysely } from 'kysely';

/** The newest documents that a mirror followed. */
export async function acceptedDocuments(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('mirrors').addColumn('accepted', 'text').execute();
}
