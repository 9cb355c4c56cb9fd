import { open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Catalog } from '../../../src/catalog/catalog.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { startServer } from '../../../src/server/start.ts';
import { headwater } from '../../cli/command-line.ts';
import { draft, openCatalog, scratchDirectory, stored, testActor } from '../../support/catalog.ts';

/** A data directory whose catalog has some hundred pages. */
async function filled(): Promise<string> {
  const directory = await scratchDirectory();
  const catalog = (await Catalog.open(join(directory, 'catalog.db'))).by(testActor);
  for (let month = 1; month <= 12; month++) {
    const serials = Array.from({ length: 28 }, (_, day) => `2026${two(month)}${two(day + 1)}_0000`);
    await Promise.all(serials.map((serial) => catalog.versions.publish(draft({ serial }), stored)));
  }
  await catalog.close();
  return directory;
}

const two = (number: number) => String(number).padStart(2, '0');

/** Writes over the last quarter of the pages of a file. The description of the tables lies before them. */
async function damage(file: string): Promise<void> {
  const { size } = await stat(file);
  const start = Math.floor(((size / 4096) * 3) / 4) * 4096;
  const handle = await open(file, 'r+');
  await handle.write(Buffer.alloc(size - start, 0xa5), 0, size - start, start);
  await handle.close();
}

test('a whole catalog has no damage', async () => {
  const catalog = await openCatalog(join(await filled(), 'catalog.db'));
  expect(await catalog.damage()).toBeUndefined();
});

test('pages that are damaged are found, and the server does not start on them', async () => {
  const dataDir = await filled();
  await damage(join(dataDir, 'catalog.db'));
  const catalog = await openCatalog(join(dataDir, 'catalog.db'));
  const told = expect.stringMatching(/^the catalog is damaged \(.*\): .*restore a backup/s);
  expect(await catalog.damage()).toEqual(told);
  const config = loadConfig({
    env: {},
    overrides: { dataDir, tls: 'off', listen: { port: 0 }, log: { level: 'silent' } },
  });
  await expect(startServer(config)).rejects.toMatchObject({ kind: 'unavailable', message: told });
});

test('damage that came after a check is found by the next one, although the whole pages are still in memory', async () => {
  const file = join(await filled(), 'catalog.db');
  const catalog = await openCatalog(file);
  expect(await catalog.damage()).toBeUndefined();
  await damage(file);
  let versions = 0;
  for await (const product of catalog.products.each()) versions += product.versions.length;
  expect(versions).toBe(336);
  expect(await catalog.damage()).toContain('the catalog is damaged');
  expect(catalog.knownDamage).toContain('restore a backup');
});

test('a file that is no catalog is told as what it is', async () => {
  const directory = await scratchDirectory();
  const handle = await open(join(directory, 'catalog.db'), 'w');
  await handle.write('root:$6$secret:19000:0:99999:7:::\n'.repeat(1000));
  await handle.close();
  const opened = Catalog.open(join(directory, 'catalog.db'));
  await expect(opened).rejects.toMatchObject({
    kind: 'unavailable',
    message: expect.not.stringContaining('secret'),
  });
});

test('a write-ahead log that was removed while a server runs is no defect', async () => {
  const dataDir = await filled();
  const catalog = await openCatalog(join(dataDir, 'catalog.db'));
  await catalog.tokens.create({ name: 'one', actions: ['read'] });
  await rm(join(dataDir, 'catalog.db-wal'));
  for (const command of [
    ['token', 'list'],
    ['token', 'create', 'two'],
  ]) {
    const { code, stderr } = await headwater([...command, '--data-dir', dataDir]);
    expect([code, stderr]).toEqual([7, expect.stringContaining('catalog.db-wal')]);
    expect(stderr).not.toContain('defect');
  }
});
