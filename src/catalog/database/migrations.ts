import { randomBytes, randomUUID } from 'node:crypto';
import type { Kysely, Migration } from 'kysely';
import { productsOfStreams } from './products-of-streams.ts';

/** Every change of the schema, in order. A released one is never edited: a new one follows it. */
export const migrations: Record<string, Migration> = {
  '0001_initial': {
    async up(db: Kysely<unknown>): Promise<void> {
      await db.schema
        .createTable('revision')
        .addColumn('id', 'integer', (column) => column.primaryKey())
        .addColumn('value', 'integer', (column) => column.notNull())
        .execute();
      await (db as Kysely<{ revision: { id: number; value: number } }>)
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
      await db.schema
        .createIndex('aliases_family')
        .on('aliases')
        .columns(['os', 'release', 'variant'])
        .execute();
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
    },
  },
  '0002_mirrors': {
    async up(db: Kysely<unknown>): Promise<void> {
      await db.schema.alterTable('items').addColumn('delta_base', 'text').execute();
      await db.schema
        .createTable('mirrors')
        .addColumn('name', 'text', (column) => column.primaryKey())
        .addColumn('state', 'text')
        .addColumn('next_run_at', 'integer')
        .addColumn('lease_holder', 'text')
        .addColumn('lease_expires_at', 'integer')
        .execute();
      await db.schema
        .createTable('mirror_runs')
        .addColumn('id', 'integer', (column) => column.primaryKey().autoIncrement())
        .addColumn('mirror', 'text', (column) => column.notNull())
        .addColumn('cause', 'text', (column) => column.notNull())
        .addColumn('started_at', 'integer', (column) => column.notNull())
        .addColumn('finished_at', 'integer')
        .addColumn('outcome', 'text')
        .addColumn('report', 'text')
        .addColumn('error', 'text')
        .execute();
      await db.schema
        .createIndex('mirror_runs_mirror')
        .on('mirror_runs')
        .columns(['mirror', 'started_at'])
        .execute();
    },
  },
  '0003_sources': {
    async up(db: Kysely<unknown>): Promise<void> {
      await db.schema
        .createTable('sources')
        .addColumn('digest', 'text', (column) => column.notNull())
        .addColumn('mirror', 'text', (column) => column.notNull())
        .addColumn('path', 'text', (column) => column.notNull())
        .addColumn('size', 'integer', (column) => column.notNull())
        .addColumn('recorded_at', 'integer', (column) => column.notNull())
        .addColumn('asked_at', 'integer')
        .addPrimaryKeyConstraint('sources_key', ['digest', 'mirror'])
        .execute();
      await db.schema.createIndex('sources_mirror').on('sources').column('mirror').execute();
    },
  },
  '0010_clients': {
    async up(db: Kysely<unknown>): Promise<void> {
      await db.schema
        .alterTable('tokens')
        .addColumn('purpose', 'text', (column) => column.notNull().defaultTo('api'))
        .execute();
      await db.schema.alterTable('tokens').addColumn('names', 'text').execute();
      await db.schema
        .createTable('clients')
        .addColumn('id', 'text', (column) => column.primaryKey())
        .addColumn('name', 'text', (column) => column.notNull())
        .addColumn('fingerprint', 'text', (column) => column.notNull())
        .addColumn('certificate', 'text', (column) => column.notNull())
        .addColumn('actions', 'text', (column) => column.notNull())
        .addColumn('streams', 'text')
        .addColumn('names', 'text')
        .addColumn('created_at', 'integer', (column) => column.notNull())
        .addColumn('last_used_at', 'integer')
        .addColumn('revoked_at', 'integer')
        .execute();
      await db.schema.createIndex('clients_fingerprint').on('clients').column('fingerprint').execute();
      await db.schema
        .createTable('audit')
        .addColumn('id', 'integer', (column) => column.primaryKey().autoIncrement())
        .addColumn('at', 'integer', (column) => column.notNull())
        .addColumn('who', 'text', (column) => column.notNull())
        .addColumn('origin', 'text', (column) => column.notNull())
        .addColumn('action', 'text', (column) => column.notNull())
        .addColumn('subject', 'text', (column) => column.notNull())
        .addColumn('details', 'text')
        .execute();
      await db.schema.createIndex('audit_who').on('audit').columns(['who', 'id']).execute();
      await db.schema
        .createTable('instance')
        .addColumn('id', 'integer', (column) => column.primaryKey())
        .addColumn('name', 'text', (column) => column.notNull())
        .execute();
      await (db as Kysely<{ instance: { id: number; name: string } }>)
        .insertInto('instance')
        .values({ id: 1, name: randomBytes(4).toString('hex') })
        .execute();
    },
  },
  '0011_pushed': {
    async up(db: Kysely<unknown>): Promise<void> {
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
    },
  },
  '0012_update_sources': {
    async up(db: Kysely<unknown>): Promise<void> {
      await db.schema.alterTable('pushed').addColumn('update_source', 'text').execute();
    },
  },
  '0020_storage': {
    async up(db: Kysely<unknown>): Promise<void> {
      await db.schema
        .createTable('storage')
        .addColumn('id', 'integer', (column) => column.primaryKey())
        .addColumn('catalog', 'text', (column) => column.notNull())
        .addColumn('marks', 'text', (column) => column.notNull())
        .addColumn('stopped_sweep', 'text')
        .execute();
      await (db as Kysely<{ storage: { id: number; catalog: string; marks: string } }>)
        .insertInto('storage')
        .values({ id: 1, catalog: randomUUID(), marks: '[]' })
        .execute();
    },
  },
  '0030_blob_uploads': {
    async up(db: Kysely<unknown>): Promise<void> {
      await db.schema
        .createTable('blob_uploads')
        .addColumn('digest', 'text', (column) => column.notNull())
        .addColumn('uploader', 'text', (column) => column.notNull())
        .addPrimaryKeyConstraint('blob_uploads_key', ['digest', 'uploader'])
        .execute();
      await db.schema.createIndex('blob_uploads_uploader').on('blob_uploads').column('uploader').execute();
    },
  },
  '0050_upstream_names': {
    async up(db: Kysely<unknown>): Promise<void> {
      await db.schema.alterTable('versions').addColumn('upstream_name', 'text').execute();
    },
  },
  '0060_published_by': {
    async up(db: Kysely<unknown>): Promise<void> {
      await db.schema.alterTable('versions').addColumn('published_by', 'text').execute();
      await db.schema.alterTable('versions').addColumn('bytes', 'integer').execute();
      await db.schema
        .createIndex('versions_published_by')
        .on('versions')
        .column('published_by')
        .where('published_by', 'is not', null)
        .execute();
    },
  },
  '0070_products_of_streams': { up: productsOfStreams },
  '0080_accepted_documents': {
    async up(db: Kysely<unknown>): Promise<void> {
      await db.schema.alterTable('mirrors').addColumn('accepted', 'text').execute();
    },
  },
  '0090_computed_fingerprints': {
    async up(db: Kysely<unknown>): Promise<void> {
      // Some fingerprints come from documents of upstreams, and cannot be told from the computed ones.
      await (db as Kysely<{ fingerprints: object }>).deleteFrom('fingerprints').execute();
      await db.schema
        .alterTable('fingerprints')
        .addColumn('computed_at', 'integer', (column) => column.notNull().defaultTo(0))
        .execute();
    },
  },
  '0100_bundles': {
    async up(db: Kysely<unknown>): Promise<void> {
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
    },
  },
};
