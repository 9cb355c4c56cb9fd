import type { Kysely } from 'kysely';

/** What is remembered of mirrors and their runs. */
export async function mirrors(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('items').addColumn('delta_base', 'text').execute();
  await db.schema
    .createTable('mirrors')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('state', 'text')
    .addColumn('next_run_at', 'integer')
    .addColumn('lease_holder', 'text')
    .addColumn('lease_expires_at', 'integer')
    .execute();
  await db.schema
    .createTable('mirror_runs')
    .addColumn('id', 'integer', (column) => column.primaryKey().autoIncrement())
    .addColumn('mirror', 'text', (column) => column.notNull())
    .addColumn('cause', 'text', (column) => column.notNull())
    .addColumn('started_at', 'integer', (column) => column.notNull())
    .addColumn('finished_at', 'integer')
    .addColumn('outcome', 'text')
    .addColumn('report', 'text')
    .addColumn('error', 'text')
    .execute();
  await db.schema
    .createIndex('mirror_runs_mirror')
    .on('mirror_runs')
    .columns(['mirror', 'started_at'])
    .execute();
}
