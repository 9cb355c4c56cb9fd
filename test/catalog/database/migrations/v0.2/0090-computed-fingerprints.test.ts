import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { Kysely, Migrator, SqliteDialect } from 'kysely';
import { expect, test } from 'vitest';
import { migrations } from '../../../../../src/catalog/database/migrations/migrations.ts';
import { openCatalog, scratchDirectory } from '../../../../support/catalog.ts';

test('a catalog of which fingerprints may come from documents believes none of them', async () => {
  const file = join(await scratchDirectory(), 'catalog.db');
  const database = new Sqlite(file);
  const db = new Kysely<unknown>({ dialect: new SqliteDialect({ database }) });
  const before = Object.fromEntries(Object.entries(migrations).filter(([name]) => name < '0090'));
  const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve(before) } });
  const { error } = await migrator.migrateToLatest();
  expect(error).toBeUndefined();
  database.exec("insert into fingerprints values ('metadata', 'root', 'claimed')");
  await db.destroy();
  const catalog = await openCatalog(file);
  expect(await catalog.fingerprints.find('metadata', 'root')).toBeUndefined();
  await catalog.fingerprints.record([{ metadata: 'metadata', root: 'root', fingerprint: 'computed' }]);
  expect(await catalog.fingerprints.find('metadata', 'root')).toBe('computed');
});
