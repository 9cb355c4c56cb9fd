import type { Kysely } from 'kysely';

/** The documents that vouch for versions from elsewhere, and which version refers to which document. */
export async function evidence(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('kept_documents')
    .addColumn('id', 'integer', (column) => column.primaryKey().autoIncrement())
    .addColumn('owner', 'text', (column) => column.notNull())
    .addColumn('sha256', 'text', (column) => column.notNull())
    .addColumn('blob', 'text', (column) => column.notNull())
    .addColumn('blob_size', 'bigint', (column) => column.notNull())
    .addColumn('signature', 'text')
    .addColumn('mirror', 'text', (column) => column.notNull())
    .addColumn('url', 'text', (column) => column.notNull())
    .addColumn('path', 'text', (column) => column.notNull())
    .addColumn('content_id', 'text', (column) => column.notNull())
    .addColumn('updated', 'bigint')
    .addColumn('signed_at', 'bigint')
    .addColumn('signed_by', 'text', (column) => column.notNull())
    .addColumn('fetched_at', 'bigint', (column) => column.notNull())
    .addColumn('used_at', 'bigint', (column) => column.notNull())
    .addUniqueConstraint('kept_documents_key', ['owner', 'sha256'])
    .execute();
  await db.schema.createIndex('kept_documents_blob').on('kept_documents').column('blob').execute();
  await db.schema
    .createTable('evidence')
    .addColumn('version_id', 'integer', (column) =>
      column.primaryKey().references('versions.id').onDelete('cascade'),
    )
    .addColumn('document_id', 'integer', (column) => column.references('kept_documents.id'))
    .addColumn('proof', 'text', (column) => column.notNull())
    .addColumn('upstream_product', 'text')
    .addColumn('served_by', 'text')
    .addColumn('bundle', 'text')
    .addColumn('recorded_at', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema.createIndex('evidence_document').on('evidence').column('document_id').execute();
}
