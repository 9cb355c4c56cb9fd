import type { Kysely } from 'kysely';

/** What sites say that they have of the bundles that were sent to them, and the upstreams' documents that bundles carry. */
export async function receipts(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('bundles').addColumn('acknowledged_at', 'bigint').execute();
  await db.schema
    .createTable('receipts')
    .addColumn('site', 'text', (column) => column.primaryKey())
    .addColumn('sequence', 'integer', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('signed_by', 'text')
    .addColumn('missing', 'integer', (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('receipt_blobs')
    .addColumn('site', 'text', (column) => column.notNull())
    .addColumn('digest', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('receipt_blobs_key', ['site', 'digest'])
    .execute();
  await db.schema
    .createTable('bundle_documents')
    .addColumn('site', 'text', (column) => column.notNull())
    .addColumn('sequence', 'integer', (column) => column.notNull())
    .addColumn('sha256', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('bundle_documents_key', ['site', 'sequence', 'sha256'])
    .execute();
  await db.schema.createIndex('bundle_documents_sha256').on('bundle_documents').column('sha256').execute();
}
