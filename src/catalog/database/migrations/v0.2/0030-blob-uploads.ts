import type { Kysely } from 'kysely';

/** Who uploaded a blob. */
export async function blobUploads(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('blob_uploads')
    .addColumn('digest', 'text', (column) => column.notNull())
    .addColumn('uploader', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('blob_uploads_key', ['digest', 'uploader'])
    .execute();
  await db.schema.createIndex('blob_uploads_uploader').on('blob_uploads').column('uploader').execute();
}
