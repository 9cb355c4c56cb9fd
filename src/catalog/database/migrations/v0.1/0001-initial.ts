import type { Kysely } from 'kysely';

/** Products, versions, items, aliases, blobs and tokens. */
export async function initial(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('revision')
    .addColumn('id', 'integer', (column) => column.primaryKey())
    .addColumn('value', 'integer', (column) => column.notNull())
    .execute();
  await db
    .withTables<{ revision: { id: number; value: number } }>()
    .insertInto('revision')
    .values({ id: 1, value: 0 })
    .execute();
  await db.schema
    .createTable('products')
    .addColumn('id', 'integer', (column) => column.primaryKey().autoIncrement())
    .addColumn('name', 'text', (column) => column.notNull().unique())
    .addColumn('os', 'text', (column) => column.notNull())
    .addColumn('release', 'text', (column) => column.notNull())
    .addColumn('architecture', 'text', (column) => column.notNull())
    .addColumn('variant', 'text', (column) => column.notNull())
    .addColumn('stream', 'text', (column) => column.notNull())
    .addColumn('owner', 'text', (column) => column.notNull())
    .addColumn('os_title', 'text', (column) => column.notNull())
    .addColumn('release_title', 'text', (column) => column.notNull())
    .addColumn('support_eol', 'text')
    .addColumn('requirements', 'text', (column) => column.notNull())
    .addColumn('revision', 'integer', (column) => column.notNull())
    .execute();
  await db.schema.createIndex('products_revision').on('products').column('revision').execute();
  await db.schema
    .createIndex('products_family')
    .on('products')
    .columns(['os', 'release', 'variant'])
    .execute();
  await db.schema.createIndex('products_stream').on('products').columns(['stream', 'name']).execute();
  await db.schema
    .createTable('versions')
    .addColumn('id', 'integer', (column) => column.primaryKey().autoIncrement())
    .addColumn('product_id', 'integer', (column) => column.notNull().references('products.id'))
    .addColumn('serial', 'text', (column) => column.notNull())
    .addColumn('label', 'text', (column) => column.notNull())
    .addColumn('published_at', 'integer', (column) => column.notNull())
    .addColumn('removed_at', 'integer')
    .addUniqueConstraint('versions_serial', ['product_id', 'serial'])
    .execute();
  // Of removed versions only: one over all of them would tempt the planner away from versions_serial.
  await db.schema
    .createIndex('versions_removed')
    .on('versions')
    .column('removed_at')
    .where('removed_at', 'is not', null)
    .execute();
  await db.schema
    .createTable('items')
    .addColumn('version_id', 'integer', (column) =>
      column.notNull().references('versions.id').onDelete('cascade'),
    )
    .addColumn('file', 'text', (column) => column.notNull())
    .addColumn('type', 'text', (column) => column.notNull())
    .addColumn('digest', 'text', (column) => column.notNull())
    .addColumn('size', 'integer', (column) => column.notNull())
    .addColumn('fingerprint', 'text')
    .addPrimaryKeyConstraint('items_key', ['version_id', 'file'])
    .execute();
  await db.schema.createIndex('items_digest').on('items').column('digest').execute();
  await db.schema.createIndex('items_fingerprint').on('items').column('fingerprint').execute();
  await db.schema
    .createTable('aliases')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('os', 'text', (column) => column.notNull())
    .addColumn('release', 'text', (column) => column.notNull())
    .addColumn('variant', 'text', (column) => column.notNull())
    .execute();
  await db.schema.createIndex('aliases_family').on('aliases').columns(['os', 'release', 'variant']).execute();
  await db.schema
    .createTable('blobs')
    .addColumn('digest', 'text', (column) => column.primaryKey())
    .addColumn('size', 'integer', (column) => column.notNull())
    .addColumn('content', 'text', (column) => column.notNull())
    .addColumn('used_at', 'integer', (column) => column.notNull())
    .execute();
  await db.schema.createIndex('blobs_used').on('blobs').column('used_at').execute();
  await db.schema
    .createTable('fingerprints')
    .addColumn('metadata', 'text', (column) => column.notNull())
    .addColumn('root', 'text', (column) => column.notNull())
    .addColumn('fingerprint', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('fingerprints_key', ['metadata', 'root'])
    .execute();
  await db.schema
    .createTable('tokens')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('hash', 'text', (column) => column.notNull().unique())
    .addColumn('actions', 'text', (column) => column.notNull())
    .addColumn('streams', 'text')
    .addColumn('created_at', 'integer', (column) => column.notNull())
    .addColumn('expires_at', 'integer')
    .addColumn('last_used_at', 'integer')
    .addColumn('revoked_at', 'integer')
    .execute();
}
