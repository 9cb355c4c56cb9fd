import { type Kysely, sql } from 'kysely';

/**
 * The migration after which the same product may be in several streams, and an alias belongs to a stream. Both were unique
 * in the whole catalog before: every product keeps its stream and the paths of its files, and every alias is afterwards an
 * alias of each stream in which it led to a product. SQLite changes no constraint of a table: the tables are made again.
 */
export async function productsOfStreams(db: Kysely<unknown>): Promise<void> {
  // Versions name products that do not exist for a moment (https://www.sqlite.org/pragma.html#pragma_defer_foreign_keys).
  await sql`pragma defer_foreign_keys = on`.execute(db);
  await makeProducts(db);
  await makeAliases(db);
}

const productColumns = sql.raw(
  'id, name, os, release, architecture, variant, stream, owner, os_title, release_title, support_eol, requirements, release_shown, revision',
);

async function makeProducts(db: Kysely<unknown>): Promise<void> {
  await sql`create temporary table old_products as select ${productColumns} from products`.execute(db);
  await db.schema.dropTable('products').execute();
  await db.schema
    .createTable('products')
    .addColumn('id', 'integer', (column) => column.primaryKey().autoIncrement())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('os', 'text', (column) => column.notNull())
    .addColumn('release', 'text', (column) => column.notNull())
    .addColumn('architecture', 'text', (column) => column.notNull())
    .addColumn('variant', 'text', (column) => column.notNull())
    .addColumn('stream', 'text', (column) => column.notNull())
    .addColumn('place', 'text', (column) => column.notNull().defaultTo(''))
    .addColumn('owner', 'text', (column) => column.notNull())
    .addColumn('os_title', 'text', (column) => column.notNull())
    .addColumn('release_title', 'text', (column) => column.notNull())
    .addColumn('support_eol', 'text')
    .addColumn('requirements', 'text', (column) => column.notNull())
    .addColumn('release_shown', 'text')
    .addColumn('revision', 'integer', (column) => column.notNull())
    .addUniqueConstraint('products_name', ['name', 'stream'])
    .addUniqueConstraint('products_place', ['name', 'place'])
    .execute();
  await sql`insert into products (${productColumns}) select ${productColumns} from old_products`.execute(db);
  await sql`drop table old_products`.execute(db);
  await db.schema.createIndex('products_revision').on('products').column('revision').execute();
  await db.schema
    .createIndex('products_family')
    .on('products')
    .columns(['os', 'release', 'variant', 'stream'])
    .execute();
  await db.schema.createIndex('products_stream').on('products').columns(['stream', 'name']).execute();
}

async function makeAliases(db: Kysely<unknown>): Promise<void> {
  await sql`create temporary table old_aliases as select * from aliases`.execute(db);
  await db.schema.dropTable('aliases').execute();
  await db.schema
    .createTable('aliases')
    .addColumn('stream', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('os', 'text', (column) => column.notNull())
    .addColumn('release', 'text', (column) => column.notNull())
    .addColumn('variant', 'text', (column) => column.notNull())
    .addColumn('description', 'text', (column) => column.notNull().defaultTo(''))
    .addColumn('version_id', 'integer', (column) => column.references('versions.id').onDelete('cascade'))
    .addColumn('removed_at', 'integer')
    .addPrimaryKeyConstraint('aliases_key', ['name', 'stream'])
    .execute();
  // One that is pinned belongs to the stream of its version only.
  await sql`
    insert into aliases (stream, name, os, release, variant, description, version_id, removed_at)
    select distinct products.stream, old.name, old.os, old.release, old.variant, old.description, old.version_id, old.removed_at
    from old_aliases as old
    join products on products.os = old.os and products.release = old.release and products.variant = old.variant
    where old.version_id is null
      or products.id in (select product_id from versions where versions.id = old.version_id)
  `.execute(db);
  await sql`drop table old_aliases`.execute(db);
  await db.schema
    .createIndex('aliases_family')
    .on('aliases')
    .columns(['os', 'release', 'variant', 'stream'])
    .execute();
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
}
