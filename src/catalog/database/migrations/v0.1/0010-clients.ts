import { randomBytes } from 'node:crypto';
import type { Kysely } from 'kysely';

/** Clients, the audit log and the name of the catalog. */
export async function clients(db: Kysely<unknown>): Promise<void> {
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
  await db
    .withTables<{ instance: { id: number; name: string } }>()
    .insertInto('instance')
    .values({ id: 1, name: randomBytes(4).toString('hex') })
    .execute();
}
