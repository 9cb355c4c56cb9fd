import { DEFAULT_MIGRATION_TABLE, type Kysely, Migrator, sql } from 'kysely';
import type { Tables } from '../tables.ts';
import { migrations } from './migrations.ts';

/** Brings the schema up to date. If several processes find an old schema, one updates it and the others wait. */
export async function migrate(writes: Kysely<Tables>): Promise<void> {
  await writes.connection().execute(async (db) => {
    // Without pending migrations, there is no need to wait for writers, or for the migrator, which reads the whole schema.
    if (await isUpToDate(db)) return;
    const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve(migrations) } });
    await sql`begin immediate`.execute(db);
    try {
      const { error } = await migrator.migrateToLatest();
      if (error !== undefined) throw error;
      await sql`commit`.execute(db);
    } catch (error) {
      await sql`rollback`.execute(db);
      throw error;
    }
  });
}

/** Whether all migrations were made, according to the migrator's table. */
async function isUpToDate(db: Kysely<Tables>): Promise<boolean> {
  const table = sql.table(DEFAULT_MIGRATION_TABLE);
  const known = await sql`select name from sqlite_master where name = ${DEFAULT_MIGRATION_TABLE}`.execute(db);
  if (known.rows.length === 0) return false;
  const { rows } = await sql<{ name: string }>`select name from ${table}`.execute(db);
  const made = new Set(rows.map(({ name }) => name));
  return Object.keys(migrations).every((name) => made.has(name));
}
