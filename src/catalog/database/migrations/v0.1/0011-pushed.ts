import type { Kysely } from 'kysely';

/** Images that clients push, and aliases that are pinned or removed. */
export async function pushed(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable('versions')
    .addColumn('hidden', 'integer', (column) => column.notNull().defaultTo(0))
    .execute();
  await db.schema.alterTable('products').addColumn('release_shown', 'text').execute();
  await db.schema
    .alterTable('aliases')
    .addColumn('description', 'text', (column) => column.notNull().defaultTo(''))
    .execute();
  await db.schema
    .alterTable('aliases')
    .addColumn('version_id', 'integer', (column) => column.references('versions.id').onDelete('cascade'))
    .execute();
  await db.schema.alterTable('aliases').addColumn('removed_at', 'integer').execute();
  await db.schema
    .createIndex('aliases_version')
    .on('aliases')
    .column('version_id')
    .where('version_id', 'is not', null)
    .execute();
  await db.schema
    .createIndex('aliases_removed')
    .on('aliases')
    .column('removed_at')
    .where('removed_at', 'is not', null)
    .execute();
  await db.schema
    .createTable('pushed')
    .addColumn('version_id', 'integer', (column) =>
      column.primaryKey().references('versions.id').onDelete('cascade'),
    )
    .addColumn('properties', 'text', (column) => column.notNull())
    .addColumn('profiles', 'text', (column) => column.notNull())
    .addColumn('filename', 'text', (column) => column.notNull())
    .addColumn('auto_update', 'integer', (column) => column.notNull())
    .addColumn('created_at', 'integer', (column) => column.notNull())
    .addColumn('expires_at', 'integer')
    .addColumn('pushed_by', 'text', (column) => column.notNull())
    .addColumn('bytes', 'integer', (column) => column.notNull())
    .execute();
  await db.schema.createIndex('pushed_by').on('pushed').column('pushed_by').execute();
}
