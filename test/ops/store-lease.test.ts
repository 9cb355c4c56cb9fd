import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { HeadwaterError } from '../../src/errors.ts';
import { StoreLease } from '../../src/ops/store-lease.ts';
import { startServer } from '../../src/server/start.ts';
import { scratchDirectory } from '../support/catalog.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { TestServer } from '../support/server.ts';

afterEach(() => {
  vi.useRealTimers();
});

async function catalogFiles(): Promise<[string, string]> {
  const directory = await scratchDirectory();
  const files: [string, string] = [join(directory, 'one'), join(directory, 'two')];
  for (const file of files) await writeFile(file, '');
  return files;
}

/** What a server on another machine wrote, whose process nobody here can look at. */
const elsewhere = (renewedAt: number) =>
  JSON.stringify({
    catalogFile: '0123abcd:1:2',
    holder: '0123abcd.4567cdef.1.1.1-00000000-0000-0000-0000-000000000000',
    host: 'elsewhere',
    renewedAt,
  });

test('servers with the same catalog share a store; one with another catalog is refused while they run', async () => {
  const store = new MemoryStore();
  const [one, two] = await catalogFiles();
  const first = await StoreLease.open(store, one);
  await first.renew();
  const beside = await StoreLease.open(store, one);
  expect(await beside.renew()).toBeUndefined();
  const refused = { kind: 'conflict', message: expect.stringContaining('another catalog') };
  await expect(StoreLease.open(store, two)).rejects.toMatchObject(refused);
  await beside.release();
  const other = await StoreLease.open(store, two);
  expect(await other.renew()).toBeUndefined();
});

test('a server on another machine is believed for three minutes', async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  const store = new MemoryStore();
  const [one] = await catalogFiles();
  store.records.set('lease', elsewhere(Date.now()));
  vi.setSystemTime(Date.now() + 179_000);
  await expect(StoreLease.open(store, one)).rejects.toMatchObject({
    message: expect.stringContaining('server on elsewhere'),
  });
  vi.setSystemTime(Date.now() + 2000);
  expect(await (await StoreLease.open(store, one)).renew()).toBeUndefined();
});

test('a server that has ended leaves the store free at once, on its own machine', async () => {
  const store = new MemoryStore();
  const [one, two] = await catalogFiles();
  await (await StoreLease.open(store, one)).renew();
  const record = JSON.parse(store.records.get('lease') ?? '') as { holder: string };
  // The same process id, started at another time.
  const holder = record.holder.replace(/\.\d+-/, '.1-');
  store.records.set('lease', JSON.stringify({ ...record, holder }));
  expect(await (await StoreLease.open(store, two)).renew()).toBeUndefined();
});

test('a lease that another server has taken is not written over', async () => {
  const store = new MemoryStore();
  const [one] = await catalogFiles();
  const lease = await StoreLease.open(store, one);
  await lease.renew();
  const theirs = elsewhere(Date.now());
  store.records.set('lease', theirs);
  expect(await lease.renew()).toBe('elsewhere');
  await lease.release();
  expect(store.records.get('lease')).toBe(theirs);
});

test('of two servers that find a free lease at the same moment one gets it', async () => {
  const store = new MemoryStore();
  const leases = await Promise.all((await catalogFiles()).map((file) => StoreLease.open(store, file)));
  const others = await Promise.all(leases.map((lease) => lease.renew()));
  expect(others.filter((other) => other === undefined)).toHaveLength(1);
  // Servers with one catalog renew it side by side.
  const [one] = await catalogFiles();
  const shared = new MemoryStore();
  const beside = await Promise.all([1, 2, 3].map(() => StoreLease.open(shared, one)));
  expect(await Promise.all(beside.map((lease) => lease.renew()))).toEqual([undefined, undefined, undefined]);
});

test('a store that refuses every condition is written without one', async () => {
  const store = new MemoryStore();
  const write = store.writeRecord.bind(store);
  vi.spyOn(store, 'writeRecord').mockImplementation(async (record, text, condition) => {
    if (condition !== undefined) throw new HeadwaterError('conflict', 'always');
    await write(record, text);
  });
  const [one] = await catalogFiles();
  expect(await (await StoreLease.open(store, one)).renew()).toBeUndefined();
  expect(store.records.has('lease')).toBe(true);
});

test('a record that cannot be read is nobody’s', async () => {
  const store = new MemoryStore();
  const [one] = await catalogFiles();
  for (const text of ['', 'null', '[]', '{"holder": 1}', '{']) {
    store.records.set('lease', text);
    expect(await (await StoreLease.open(store, one)).renew()).toBeUndefined();
  }
});

test('a second server whose catalog is another one does not start on the store of the first', async () => {
  const first = await TestServer.start({ tls: 'off' });
  const file = join(first.config.dataDir, 'catalog.db');
  await rename(file, `${file}.away`);
  await expect(startServer(first.config)).rejects.toMatchObject({ kind: 'conflict' });
  for (const name of [file, `${file}-wal`, `${file}-shm`]) await rm(name, { force: true });
  await rename(`${file}.away`, file);
});

test('a second server with the same catalog starts', async () => {
  const first = await TestServer.start({ tls: 'off' });
  const second = await startServer(first.config);
  await second.close();
});
