import { type Kysely, sql } from 'kysely';

/** Files that Headwater makes for versions, and a view of all blobs that versions name. */
export async function generatedFiles(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('generated_files')
    .addColumn('version_id', 'integer', (column) =>
      column.notNull().references('versions.id').onDelete('cascade'),
    )
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('digest', 'text', (column) => column.notNull())
    .addColumn('size', 'bigint', (column) => column.notNull())
    .addColumn('source', 'text')
    .addPrimaryKeyConstraint('generated_files_key', ['version_id', 'kind'])
    .execute();
  await db.schema.createIndex('generated_files_digest').on('generated_files').column('digest').execute();
  await db.schema
    .createIndex('generated_files_source')
    .on('generated_files')
    .column('source')
    .where('source', 'is not', null)
    .execute();
  await sql`
    create view named_blobs as
      select version_id, digest, size from items
      union all select version_id, digest, size from generated_files
  `.execute(db);
}
