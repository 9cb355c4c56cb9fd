import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { entriesOf, fileIn } from '../../../src/http/systemd/flat-directory.ts';
import { lacks } from '../../support/needs.ts';
import { publishTarball } from '../../support/root-tarballs.ts';
import { TestServer } from '../../support/server.ts';
import { gpgvBytes, scratchKey } from '../../support/signing.ts';

const images = '/images/debian/bookworm/amd64/default/20260131_0524';
const flat = '/sysupdate/debian/bookworm/amd64/default';
const digestOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

test('beside each file is its checksum, as sha256sum writes it', async () => {
  const server = await TestServer.start();
  const { root } = await publishTarball(server);
  const { status, body, headers } = await server.request(`${images}/rootfs.tar.xz.sha256`);
  expect(status).toBe(200);
  expect(String(body)).toBe(`${digestOf(root)}  rootfs.tar.xz\n`);
  expect(headers['content-type']).toBe('text/plain; charset=us-ascii');
  expect(String((await server.request(`${images}/incus.tar.xz.sha256`)).body)).toMatch(
    / {2}incus\.tar\.xz\n$/,
  );
  for (const missing of ['disk.qcow2.sha256', 'rootfs.tar.xz.sha256.sha256', '.sha256', 'rootfs.nspawn'])
    expect((await server.request(`${images}/${missing}`)).status, missing).toBe(404);
});

test('a product has a directory with the files of its versions, whose names have the serial', async () => {
  const server = await TestServer.start();
  const old = await publishTarball(server);
  const newer = await publishTarball(server, { serial: '20260201_0000', packing: 'gzip' });
  const sums = async () => String((await server.request(`${flat}/SHA256SUMS`)).body);
  await expect.poll(sums).toContain('20260201_0000');
  const lines = (await sums()).split('\n').slice(0, -1);
  const name = (serial: string, file: string) => `debian-bookworm-amd64-default_${serial}.${file}`;
  expect(lines).toContain(`${digestOf(old.root)}  ${name('20260131_0524', 'rootfs.tar.xz')}`);
  expect(lines).toContain(`${digestOf(newer.root)}  ${name('20260201_0000', 'rootfs.tar.gz')}`);
  for (const line of lines) {
    const [digest, file] = line.split('  ');
    const { status, body } = await server.request(`${flat}/${file}`);
    expect(status, file).toBe(200);
    expect(digestOf(body)).toBe(digest);
  }
  const others = [name('20260131_0525', 'rootfs.tar.xz'), name('20260131_0524', 'x'), 'rootfs.tar.xz', ''];
  for (const other of others) expect((await server.request(`${flat}/${other}`)).status, other).toBe(404);
  expect((await server.request('/sysupdate/x/bookworm/amd64/default/SHA256SUMS')).status).toBe(404);
});

test('a removed version leaves the list of the directory', async () => {
  const server = await TestServer.start();
  const { product } = await publishTarball(server);
  await publishTarball(server, { serial: '20260201_0000' });
  await server.workspace.catalog.versions.remove({ stream: 'images', name: product }, '20260131_0524');
  const sums = String((await server.request(`${flat}/SHA256SUMS`)).body);
  expect(sums).toContain('20260201_0000');
  expect(sums).not.toContain('20260131_0524');
});

describe.skipIf(lacks('gpgv'))('on a server that signs', () => {
  test('the list of the directory is signed', async () => {
    const { key, keyring } = await scratchKey();
    const server = await TestServer.start({ signing: { key } });
    await publishTarball(server);
    const [sums, signature] = await Promise.all(
      ['SHA256SUMS', 'SHA256SUMS.gpg'].map((file) => server.request(`${flat}/${file}`)),
    );
    expect(signature?.status).toBe(200);
    expect(await gpgvBytes(keyring, sums?.body ?? Buffer.of(), signature?.body)).toMatchObject({ code: 0 });
  });
});

test('a private product has neither checksums nor a directory for others', async () => {
  const server = await TestServer.start({ streams: { team: { public: false } } });
  await publishTarball(server, {}, { stream: 'team' });
  const token = await server.token(['read'], ['team']);
  const file = `${flat}/debian-bookworm-amd64-default_20260131_0524.rootfs.tar.xz`;
  for (const path of [`${images}/rootfs.tar.xz.sha256`, `${flat}/SHA256SUMS`, file]) {
    expect((await server.request(path)).status, path).toBe(404);
    expect((await server.request(path, { token })).status, path).toBe(200);
  }
});

test('nothing of it exists when it is switched off', async () => {
  const server = await TestServer.start({ systemd: { enabled: false } });
  await publishTarball(server);
  for (const path of [`${images}/rootfs.tar.xz.sha256`, `${flat}/SHA256SUMS`])
    expect((await server.request(path)).status, path).toBe(404);
  expect((await server.request(`${images}/SHA256SUMS`)).status).toBe(200);
});

test('names of the directory are read as they are written', () => {
  const key = { os: 'a-b', release: '1.0_x', architecture: 'amd64', variant: 'default' };
  const item = { file: 'rootfs.tar.gz', type: 'root.tar.xz', digest: 'd', size: 1 } as const;
  const [entry] = entriesOf(key, { serial: '20260131_0524', items: [item] });
  expect(fileIn(key, entry?.name ?? '')).toEqual({ serial: '20260131_0524', file: 'rootfs.tar.gz' });
  expect(fileIn({ ...key, variant: 'other' }, entry?.name ?? '')).toBeUndefined();
});
