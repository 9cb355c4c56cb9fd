import type { Kysely } from 'kysely';

/** Where the files of mirrors on demand can be had. */
export async function sources(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('sources')
    .addColumn('digest', 'text', (column) => column.notNull())
    .addColumn('mirror', 'text', (column) => column.notNull())
    .addColumn('path', 'text', (column) => column.notNull())
    .addColumn('size', 'integer', (column) => column.notNull())
    .addColumn('recorded_at', 'integer', (column) => column.notNull())
    .addColumn('asked_at', 'integer')
    .addPrimaryKeyConstraint('sources_key', ['digest', 'mirror'])
    .execute();
  await db.schema.createIndex('sources_mirror').on('sources').column('mirror').execute();
}
