import type { Kysely } from 'kysely';

/** Versions that an operator withdrew, and blobs that bundles carry once more only to be sure. */
export async function withdrawnVersions(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('withdrawn_versions')
    .addColumn('stream', 'text', (column) => column.notNull())
    .addColumn('product', 'text', (column) => column.notNull())
    .addColumn('serial', 'text', (column) => column.notNull())
    .addColumn('withdrawn_at', 'bigint', (column) => column.notNull())
    .addColumn('reason', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('withdrawn_versions_key', ['stream', 'product', 'serial'])
    .execute();
  await db.schema
    .alterTable('bundle_blobs')
    .addColumn('repeated', 'integer', (column) => column.notNull().defaultTo(0))
    .execute();
}
