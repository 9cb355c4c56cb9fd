import type { Kysely } from 'kysely';

/** The ledger of bundles for sites without a network. */
export async function bundles(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('bundles')
    .addColumn('site', 'text', (column) => column.notNull())
    .addColumn('sequence', 'integer', (column) => column.notNull())
    .addColumn('identity', 'text', (column) => column.notNull())
    .addColumn('manifest', 'text', (column) => column.notNull())
    .addColumn('signature', 'text', (column) => column.notNull())
    .addColumn('label', 'text')
    .addColumn('bytes', 'bigint', (column) => column.notNull())
    .addColumn('volume_count', 'integer', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('finished_at', 'bigint')
    .addPrimaryKeyConstraint('bundles_key', ['site', 'sequence'])
    .execute();
  await db.schema
    .createTable('bundle_blobs')
    .addColumn('site', 'text', (column) => column.notNull())
    .addColumn('sequence', 'integer', (column) => column.notNull())
    .addColumn('digest', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('bundle_blobs_key', ['site', 'sequence', 'digest'])
    .execute();
}
