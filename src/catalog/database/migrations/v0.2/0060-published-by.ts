import type { Kysely } from 'kysely';

/** Whose quota a published version counts towards. */
export async function publishedBy(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('versions').addColumn('published_by', 'text').execute();
  await db.schema.alterTable('versions').addColumn('bytes', 'integer').execute();
  await db.schema
    .createIndex('versions_published_by')
    .on('versions')
    .column('published_by')
    .where('published_by', 'is not', null)
    .execute();
}
