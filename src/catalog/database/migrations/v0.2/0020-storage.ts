import { randomUUID } from 'node:crypto';
import type { Kysely } from 'kysely';

/** What the catalog knows of its blob store as a whole. */
export async function storage(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('storage')
    .addColumn('id', 'integer', (column) => column.primaryKey())
    .addColumn('catalog', 'text', (column) => column.notNull())
    .addColumn('marks', 'text', (column) => column.notNull())
    .addColumn('stopped_sweep', 'text')
    .execute();
  await db
    .withTables<{ storage: { id: number; catalog: string; marks: string } }>()
    .insertInto('storage')
    .values({ id: 1, catalog: randomUUID(), marks: '[]' })
    .execute();
}
