import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { scratchDirectory } from '../../support/catalog.ts';
import { run } from '../../support/command.ts';
import { lacks } from '../../support/needs.ts';
import { publishTarball } from '../../support/root-tarballs.ts';
import { TestServer } from '../../support/server.ts';
import { gpgHome, scratchKey } from '../../support/signing.ts';
import { makeSmallImage } from '../../support/small-images.ts';

const directory = '/images/debian/bookworm/amd64/default/20260131_0524/';
const line = `debian;bookworm;amd64;default;20260131_0524;${directory}`;

async function indexOf(server: TestServer, token?: string): Promise<string[]> {
  const asked = token === undefined ? {} : { token };
  const { status, body } = await server.request('/meta/1.0/index-system.7', asked);
  expect(status).toBe(200);
  return String(body).split('\n').slice(0, -1);
}

test('every name of the index has a line for each product, with double slashes, too', async () => {
  const server = await TestServer.start();
  expect(await indexOf(server)).toEqual([]);
  await publishTarball(server);
  await publishTarball(server, { os: 'alpine' });
  await expect.poll(() => indexOf(server)).toEqual([line.replaceAll('debian', 'alpine'), line]);
  const { body } = await server.request('/meta/1.0/index-system');
  for (const name of ['system.7', 'system.5', 'user', 'user.7', 'user.5']) {
    const answer = await server.request(`//meta/1.0/index-${name}`);
    expect(answer.status).toBe(200);
    expect(answer.body.equals(body)).toBe(true);
  }
  for (const path of ['index-system.6', 'index-other', 'index-system.7/x', 'index-system.7.asc', '']) {
    expect((await server.request(`/meta/1.0/${path}`)).status).toBe(404);
  }
});

test('the newest version is listed, when both of its files can be downloaded', async () => {
  const server = await TestServer.start();
  const { root } = await publishTarball(server);
  await expect.poll(() => indexOf(server)).toEqual([line]);
  await publishTarball(server, { serial: '20260201_0000' });
  await expect.poll(() => indexOf(server)).toEqual([line.replaceAll('20260131_0524', '20260201_0000')]);

  // As the template asks.
  const got = await server.request(`/${directory}/rootfs.tar.xz`);
  expect(got.body.equals(root)).toBe(true);
  const metadata = await server.request(`/${directory}/meta.tar.xz`);
  expect(metadata.status).toBe(200);
  expect(metadata.headers['cache-control']).toContain('immutable');
  const digest = createHash('sha256').update(metadata.body).digest('hex');
  expect(metadata.headers['etag']).toBe(`"${digest}"`);
  const sums = await server.request(`${directory}SHA256SUMS`);
  expect(String(sums.body)).toContain(`${digest}  meta.tar.xz\n`);
});

test('a version that is removed leaves the index, and its files stay for the grace period', async () => {
  const server = await TestServer.start();
  const { product } = await publishTarball(server);
  await expect.poll(() => indexOf(server)).toEqual([line]);
  await server.workspace.catalog.versions.remove({ stream: 'images', name: product }, '20260131_0524');
  await expect.poll(() => indexOf(server)).toEqual([]);
  for (const file of ['rootfs.tar.xz', 'meta.tar.xz'])
    expect((await server.request(`${directory}${file}`)).status).toBe(200);
});

test('roots with another compression and squashfs roots are not listed', async () => {
  const server = await TestServer.start();
  await publishTarball(server, { os: 'zipped', packing: 'gzip' });
  const { metadata, root } = await makeSmallImage({ os: 'squashed' });
  await server.publish({ files: [metadata, root].map((path) => ({ from: 'disk', name: path, path })) });
  await publishTarball(server);
  await expect.poll(() => indexOf(server)).toEqual([line]);
  const { status } = await server.request(`${directory.replace('debian', 'zipped')}meta.tar.xz`);
  expect(status).toBe(404);
});

describe.skipIf(lacks('xz'))('roots that are compressed again', () => {
  test('get a true xz form, which is kept and made once', async () => {
    const server = await TestServer.start({ lxc: { compress: ['images'] } });
    const { root } = await publishTarball(server, { packing: 'gzip' });
    await publishTarball(server, { os: 'other', root });
    await publishTarball(server, { os: 'plain', packing: 'none' });
    const names = async () => (await indexOf(server)).map((each) => each.split(';')[0]);
    await expect.poll(names, { timeout: 20_000 }).toEqual(['debian', 'other', 'plain']);

    const xz = await server.request(`${directory}rootfs.tar.xz`);
    expect(xz.status).toBe(200);
    const scratch = await scratchDirectory();
    const [packed, given] = [join(scratch, 'rootfs.tar.xz'), join(scratch, 'rootfs.tar.gz')];
    await writeFile(packed, xz.body);
    await writeFile(given, root);
    expect(await run('xz', ['-dc', packed])).toBe(await run('gzip', ['-dc', given]));
    const other = await server.request(`${directory.replace('debian', 'other')}rootfs.tar.xz`);
    expect(other.headers['etag']).toBe(xz.headers['etag']);
    // The documents of simplestreams name only what was published.
    expect(String((await server.request('/streams/v1/images.json')).body)).not.toContain('rootfs.tar.xz');
  });

  test('are those of the chosen streams only', async () => {
    const server = await TestServer.start({ lxc: { compress: ['chosen'] }, streams: {} });
    await publishTarball(server, { packing: 'gzip' });
    await publishTarball(server, { os: 'other', packing: 'gzip' }, { stream: 'chosen' });
    const names = async () => (await indexOf(server)).map((each) => each.split(';')[0]);
    await expect.poll(names, { timeout: 20_000 }).toEqual(['other']);
  });
});

test('a private stream is listed for, and downloaded by, those only who may read it', async () => {
  const server = await TestServer.start({ streams: { images: { public: true }, team: { public: false } } });
  await publishTarball(server, { os: 'ours' }, { stream: 'team' });
  await publishTarball(server);
  const token = await server.token(['read'], ['team']);
  await expect.poll(() => indexOf(server, token)).toHaveLength(2);
  expect(await indexOf(server)).toEqual([line]);
  const path = `${directory.replace('debian', 'ours')}meta.tar.xz`;
  expect((await server.request(path)).status).toBe(404);
  expect((await server.request(path, { token })).status).toBe(200);
  // wget sends the credentials of `--server user:secret@host`.
  const authorization = `Basic ${Buffer.from(`any:${token}`).toString('base64')}`;
  const { body } = await server.request('/meta/1.0/index-user', { headers: { authorization } });
  expect(String(body)).toContain('ours;');
});

test('of a product that two streams have, the newest version is listed', async () => {
  const server = await TestServer.start({ streams: {} });
  await publishTarball(server, { serial: '20260202_0000' });
  await publishTarball(server, { serial: '20260303_0000' }, { stream: 'nightly', aliases: [] });
  await expect
    .poll(() => indexOf(server))
    .toEqual([
      'debian;bookworm;amd64;default;20260303_0000;/images/nightly/debian/bookworm/amd64/default/20260303_0000/',
    ]);
});

test('nothing of it exists when it is switched off', async () => {
  const made = await scratchKey();
  const server = await TestServer.start({ lxc: { enabled: false }, signing: { key: made.key } });
  await publishTarball(server);
  const paths = ['/meta/1.0/index-system', `${directory}meta.tar.xz`, `${directory}rootfs.tar.xz.asc`];
  for (const path of [...paths, `/pks/lookup?op=get&options=mr&search=0x${made.fingerprint}`])
    expect((await server.request(path)).status, path).toBe(404);
  expect((await server.request(`${directory}rootfs.tar.xz`)).status).toBe(200);
});

describe.skipIf(lacks('gpg'))('for LXC before 4.0.12, which verifies signatures', () => {
  test('the server is its own key server, and signs the index and the files', async () => {
    const { key, fingerprint } = await scratchKey();
    const server = await TestServer.start({ signing: { key } });
    await publishTarball(server);
    await expect.poll(() => indexOf(server)).toEqual([line]);
    const home = await gpgHome();
    const found = await server.request(`/pks/lookup?op=get&options=mr&search=0x${fingerprint.toUpperCase()}`);
    expect(found.headers['content-type']).toBe('application/pgp-keys');
    const file = async (name: string, bytes: Buffer) => {
      const path = join(home, name);
      await writeFile(path, bytes);
      return path;
    };
    await run('gpg', ['--homedir', home, '--batch', '--import', await file('key.asc', found.body)]);
    for (const path of ['/meta/1.0/index-system.7', `${directory}rootfs.tar.xz`, `${directory}meta.tar.xz`]) {
      const signature = await server.request(`/${path}.asc`);
      expect(String(signature.body)).toContain('-----BEGIN PGP SIGNATURE-----');
      const signed = await server.request(path);
      const files = [await file('file.asc', signature.body), await file('file', signed.body)];
      await run('gpg', ['--homedir', home, '--batch', '--verify', ...files]);
      const flipped = Buffer.from(signed.body);
      flipped[10] = (flipped[10] ?? 0) ^ 1;
      await file('file', flipped);
      await expect(run('gpg', ['--homedir', home, '--batch', '--verify', ...files])).rejects.toThrow('BAD');
    }
    for (const search of ['0x1234567890abcdef', fingerprint, 'Headwater'])
      expect((await server.request(`/pks/lookup?op=get&search=${search}`)).status).toBe(404);
    expect((await server.request(`/pks/lookup?op=index&search=0x${fingerprint}`)).status).toBe(404);
  });

  test('a signature is for those only who may read the file', async () => {
    const { key } = await scratchKey();
    const streams = { team: { public: false } };
    const server = await TestServer.start({ streams, signing: { key } });
    await publishTarball(server, {}, { stream: 'team' });
    const token = await server.token(['read'], ['team']);
    const path = `${directory}rootfs.tar.xz.asc`;
    expect((await server.request(path)).status).toBe(404);
    expect((await server.request(path, { token })).status).toBe(200);
  });
});
