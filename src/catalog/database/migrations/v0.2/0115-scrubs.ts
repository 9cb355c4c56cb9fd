import type { Kysely } from 'kysely';

/** The scrubs of the blob store, the blobs that were lost, and the documents of image servers that were followed. */
export async function scrubs(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('scrub')
    .addColumn('id', 'integer', (column) => column.primaryKey())
    .addColumn('round', 'text')
    .addColumn('last', 'text')
    .addColumn('lease_holder', 'text')
    .addColumn('lease_expires_at', 'bigint')
    .execute();
  await db.withTables<{ scrub: { id: number } }>().insertInto('scrub').values({ id: 1 }).execute();
  await db.schema
    .createTable('lost_blobs')
    .addColumn('digest', 'text', (column) => column.primaryKey())
    .addColumn('size', 'bigint', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('problem', 'text', (column) => column.notNull())
    .addColumn('found_at', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema
    .alterTable('mirrors')
    .addColumn('losses', 'integer', (column) => column.notNull().defaultTo(0))
    .execute();
  await db.schema
    .createTable('image_servers')
    .addColumn('url', 'text', (column) => column.primaryKey())
    .addColumn('accepted', 'text', (column) => column.notNull())
    .execute();
}
