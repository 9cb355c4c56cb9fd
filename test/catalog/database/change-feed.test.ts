import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { expect, onTestFinished, test } from 'vitest';
import { openCatalog, scratchDirectory } from '../../support/catalog.ts';

test('a catalog that cannot be read any more is a change, and ends nothing', async () => {
  const file = join(await scratchDirectory(), 'catalog.db');
  const catalog = await openCatalog(file);
  let changes = 0;
  onTestFinished(catalog.feed.watch(() => changes++));
  const other = new Sqlite(file);
  other.exec('alter table revision rename to elsewhere');
  await expect.poll(() => changes).toBe(1);
  other.exec('alter table elsewhere rename to revision; update revision set value = value + 1');
  other.close();
  await expect.poll(() => changes).toBe(2);
});
