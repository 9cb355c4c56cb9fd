import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { scratchDirectory } from '../../../support/catalog.ts';
import { TestServer } from '../../../support/server.ts';
import { makeSmallImage } from '../../../support/small-images.ts';
import { headwater } from '../../command-line.ts';

async function published(): Promise<{ directory: string; data: string }> {
  const directory = await scratchDirectory();
  const data = join(directory, 'data');
  const image = await makeSmallImage();
  const { code, stderr } = await headwater(['publish', image.metadata, image.root, '--data-dir', data]);
  expect([code, stderr]).toEqual([0, '']);
  return { directory, data };
}

const storage = async (data: string, ...args: string[]) =>
  await headwater(['storage', ...args, '--data-dir', data], { env: { HEADWATER_GRACE_PERIOD: '0s' } });

test('a catalog that was lost and comes back: status, adopt, sweep, restore', async () => {
  const { directory, data } = await published();
  expect(await storage(data, 'status')).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/owned +yes/),
  });
  await rename(join(data, 'catalog.db'), join(directory, 'lost.db'));
  // A new catalog, by a command that makes one.
  expect(await headwater(['token', 'create', 'one', '--data-dir', data])).toMatchObject({ code: 0 });

  const status = await storage(data, 'status', '--json');
  expect(status).toMatchObject({ code: 5, stderr: expect.stringContaining('headwater storage adopt') });
  expect(JSON.parse(status.stdout)).toMatchObject({ owned: false, setAside: { unknown: { blobs: 0 } } });
  expect(await storage(data, 'sweep', '--yes')).toMatchObject({ code: 5 });

  expect(await storage(data, 'adopt')).toMatchObject({ code: 2, stderr: expect.stringContaining('--yes') });
  expect(await storage(data, 'status')).toMatchObject({ code: 5 });
  expect(await storage(data, 'adopt', '--yes')).toMatchObject({ code: 0 });
  expect(await storage(data, 'status')).toMatchObject({ code: 0 });
  const audit = await headwater(['audit', '--json', '--data-dir', data]);
  expect(audit.stdout).toContain('storage.adopt');

  expect(await storage(data, 'sweep')).toMatchObject({ code: 2 });
  expect(await storage(data, 'sweep', '--yes')).toMatchObject({ code: 0, stdout: '2 blobs set aside\n' });
  expect(JSON.parse((await storage(data, 'status', '--json')).stdout)).toMatchObject({
    setAside: { unknown: { blobs: 2 } },
  });

  const names = await readdir(join(data, 'aside', 'unknown'));
  expect(await storage(data, 'restore')).toMatchObject({ code: 2 });
  expect(await storage(data, 'restore', 'ab'.repeat(32))).toMatchObject({ code: 4 });
  expect(await storage(data, 'restore', names[0] ?? '')).toMatchObject({
    code: 0,
    stdout: '1 blobs restored\n',
  });

  // The old catalog, back in its place, has all of its blobs again once it is adopted.
  for (const end of ['-wal', '-shm']) await rm(join(data, `catalog.db${end}`), { force: true });
  await rename(join(directory, 'lost.db'), join(data, 'catalog.db'));
  expect(await storage(data, 'status')).toMatchObject({ code: 5 });
  expect(await storage(data, 'adopt', '--yes')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('1 blobs restored'),
  });
  expect(await storage(data, 'status')).toMatchObject({ code: 0 });
});

test('a store that lost its blobs is refused until it is adopted', async () => {
  const { directory, data } = await published();
  const image = await makeSmallImage({ os: 'alpine' });
  const publish = async () => await headwater(['publish', image.metadata, image.root, '--data-dir', data]);
  await rename(join(data, 'blobs'), join(directory, 'blobs'));
  expect(await publish()).toMatchObject({
    code: 7,
    stderr: expect.stringContaining('is the file system mounted'),
  });
  expect(await readdir(data)).not.toContain('blobs');
  expect(await headwater(['serve', '--data-dir', data, '--set', 'listen.port=0'])).toMatchObject({
    code: 7,
    stderr: expect.stringContaining(join(data, 'blobs')),
  });
  // An empty directory in its place, as of a file system that is not mounted.
  expect(await storage(data, 'status')).toMatchObject({
    code: 5,
    stderr: expect.stringContaining('The blob store is empty'),
  });
  expect(await publish()).toMatchObject({ code: 7, stderr: expect.stringContaining('storage adopt') });
  expect(await storage(data, 'adopt', '--yes')).toMatchObject({ code: 0 });
  expect(await publish()).toMatchObject({ code: 0 });
});

test('status of a server: for administrators, with the problems that the server knows', async () => {
  const server = await TestServer.start({ tls: 'off' });
  const status = async (token: string) =>
    await headwater(['storage', 'status', '--json', '--server', server.url('', 'http'), '--token', token]);
  expect(await status(await server.token(['read', 'publish', 'remove']))).toMatchObject({ code: 6 });
  const admin = await server.token(['admin']);
  const good = await status(admin);
  expect(good).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(good.stdout)).toMatchObject({
    owned: true,
    problem: null,
    setAside: { removed: { blobs: 0, bytes: 0 } },
  });
  await server.workspace.store.writeRecord(
    'owner',
    JSON.stringify({ catalog: 'another', revision: 7, mark: 'x', at: '2026-01-01T00:00:00.000Z' }),
  );
  const bad = await status(admin);
  expect(bad).toMatchObject({ code: 5, stderr: expect.stringContaining('headwater storage adopt') });
  expect(JSON.parse(bad.stdout)).toMatchObject({ owned: false, owner: { catalog: 'another' } });
});

test('without data, shows nothing and creates nothing', async () => {
  const directory = await scratchDirectory();
  expect(await storage(join(directory, 'none'), 'status')).toMatchObject({ code: 4 });
  expect(await readdir(directory)).toEqual([]);
});
