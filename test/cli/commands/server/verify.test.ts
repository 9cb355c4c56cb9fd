import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { flip } from '../../../ops/scrub/flip.ts';
import { scratchDirectory } from '../../../support/catalog.ts';
import { TestServer } from '../../../support/server.ts';
import { makeSmallImage } from '../../../support/small-images.ts';
import { headwater } from '../../command-line.ts';

test('says what is wrong and what to do next, with exit code 3, until it is mended', async () => {
  const data = join(await scratchDirectory(), 'data');
  const image = await makeSmallImage({ size: 300_000 });
  const publish = async () => await headwater(['publish', image.metadata, image.root, '--data-dir', data]);
  const verify = async (...flags: string[]) => await headwater(['verify', ...flags, '--data-dir', data]);
  expect((await publish()).code).toBe(0);
  expect(await verify('--read')).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^2 blobs \(.*\) read: 0 damaged, 0 missing, 0 wrong fingerprints\n$/),
    stderr: '',
  });
  const blobs = (await readdir(join(data, 'blobs'), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  for (const path of blobs) {
    const handle = await open(path, 'r+');
    await handle.write('damaged', 30);
    await handle.close();
  }
  const found = await verify('--read');
  expect(found).toMatchObject({ code: 3, stderr: expect.stringContaining('verify --read --repair') });
  expect(found.stdout).toMatch(
    /^damaged: blob sha256:\w{64} \(.*\), in images\/debian:bookworm:amd64:default@20260101_0000: the SHA-256 of its bytes is \w{64}$/m,
  );
  const repaired = await verify('--read', '--repair', '--json');
  expect(repaired.code).toBe(3);
  expect(JSON.parse(repaired.stdout)).toMatchObject({
    read: true,
    repair: true,
    blobs: 2,
    lost: [{ state: 'damaged' }, { state: 'damaged' }],
    fingerprints: [],
    next: [expect.stringMatching(/publish or push .*images\/debian:bookworm:amd64:default@20260101_0000/)],
  });
  expect(await verify()).toMatchObject({ code: 3, stderr: expect.stringContaining('2 missing') });
  expect((await publish()).code).toBe(0);
  expect((await verify('--read')).code).toBe(0);
});

test('lets a server scrub its store, and waits for what it finds', async () => {
  const server = await TestServer.start({ tls: 'off' });
  const image = await makeSmallImage({ size: 300_000 });
  await server.publish({
    files: [image.metadata, image.root].map((path) => ({ from: 'disk' as const, name: path, path })),
  });
  const verify = async (token: string, ...flags: string[]) =>
    await headwater(['verify', '--server', server.url('', 'http'), '--token', token, ...flags]);
  expect(await verify(await server.token(['read', 'publish', 'remove']))).toMatchObject({ code: 6 });
  const admin = await server.token(['admin']);
  expect(await verify(admin)).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^2 blobs \(.*\) read: 0 damaged, 0 missing, 0 wrong fingerprints\n$/),
    stderr: '',
  });
  const [path = ''] = (
    await readdir(join(server.config.dataDir, 'blobs'), { recursive: true, withFileTypes: true })
  )
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  await flip(path);
  const found = await verify(admin);
  expect(found).toMatchObject({ code: 3, stderr: expect.stringContaining('1 damaged') });
  expect(found.stdout).toMatch(
    /^damaged: blob sha256:\w{64} \(.*\), in images\/debian:bookworm:amd64:default@20260101_0000: /,
  );
  const again = await verify(admin, '--json');
  expect(again.code).toBe(3);
  expect(JSON.parse(again.stdout)).toMatchObject({
    read: true,
    repair: true,
    blobs: 2,
    lost: [{ state: 'missing' }],
    counts: { damaged: 0, missing: 1 },
    next: [expect.stringMatching(/publish or push/)],
  });
  const status = await headwater(['storage', 'status', '--server', server.url('', 'http'), '--token', admin]);
  expect(status).toMatchObject({
    code: 3,
    stderr: expect.stringContaining('1 blobs are damaged or missing'),
  });
  expect(status.stdout).toMatch(/^scrub +completed .*: 2 blobs read; 0 damaged, 1 missing/m);
});

test('without data, shows nothing and creates nothing', async () => {
  const directory = await scratchDirectory();
  expect(await headwater(['verify', '--data-dir', join(directory, 'none')])).toMatchObject({ code: 4 });
  expect(await readdir(directory)).toEqual([]);
});
