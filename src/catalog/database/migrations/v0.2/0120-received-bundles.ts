import type { Kysely } from 'kysely';

/** Bundles that were imported, and the blobs of versions that wait for more bundles. */
export async function receivedBundles(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('received_bundles')
    .addColumn('mirror', 'text', (column) => column.notNull())
    .addColumn('identity', 'text', (column) => column.notNull())
    .addColumn('site', 'text', (column) => column.notNull())
    .addColumn('destination', 'text', (column) => column.notNull())
    .addColumn('sequence', 'integer', (column) => column.notNull())
    .addColumn('previous', 'text')
    .addColumn('signed_by', 'text')
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('received_at', 'bigint', (column) => column.notNull())
    .addColumn('is_complete', 'integer', (column) => column.notNull())
    .addColumn('manifest', 'text')
    .addColumn('waiting_versions', 'integer', (column) => column.notNull().defaultTo(0))
    .addPrimaryKeyConstraint('received_bundles_key', ['mirror', 'identity'])
    .execute();
  await db.schema
    .createTable('awaited_blobs')
    .addColumn('mirror', 'text', (column) => column.notNull())
    .addColumn('digest', 'text', (column) => column.notNull())
    .addColumn('size', 'bigint', (column) => column.notNull())
    .addColumn('sequence', 'integer', (column) => column.notNull())
    .addPrimaryKeyConstraint('awaited_blobs_key', ['mirror', 'digest'])
    .execute();
  await db.schema.createIndex('awaited_blobs_digest').on('awaited_blobs').column('digest').execute();
}
