import type { Kysely } from 'kysely';

/** When documents last changed. */
export async function documentTimes(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('document_times')
    .addColumn('document', 'text', (column) => column.primaryKey())
    .addColumn('content', 'text', (column) => column.notNull())
    .addColumn('revision', 'bigint', (column) => column.notNull())
    .addColumn('updated_at', 'bigint', (column) => column.notNull())
    .execute();
}
