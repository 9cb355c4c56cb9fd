import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestUpstream } from '../../mirror/test-upstream.ts';
import { SigningKey } from '../../mirror/upstream/gpg.ts';
import { lacks } from '../../support/needs.ts';
import { ended } from '../../support/push-images.ts';
import { RegistryClient } from '../../support/registry-client.ts';
import { TestServer } from '../../support/server.ts';
import { copyFrom } from './copy-requests.ts';

/** A registry that may copy from an upstream, with a client in it. */
async function registryFor(
  upstream: { url: string },
  trust: { keyring: string } | { unsigned: true } = { unsigned: true },
) {
  const server = await TestServer.start({ registry: { mirrorFrom: [{ url: upstream.url, ...trust }] } });
  return { server, client: await RegistryClient.joined(server) };
}

async function blobsOf(server: TestServer): Promise<unknown[]> {
  const found = [];
  for await (const blob of server.workspace.store.list()) found.push(blob);
  return found;
}

const base = 'images/debian/bookworm/amd64/default/20260101_0000';

describe('an image of an image server that is allowed', () => {
  test('becomes a pushed image: private, with the aliases that are given', async () => {
    const upstream = await TestUpstream.start();
    await upstream.offer('debian:bookworm:amd64:default', '20260101_0000');
    await upstream.offer('debian:bookworm:arm64:default', '20260102_0000');
    await upstream.offer('debian:bookworm:amd64:default', '20260102_0000', {
      product: { requirements: { secureboot: 'false' }, support_eol: '2030-01-01' },
    });
    const { client, server } = await registryFor(upstream);
    const answer = await copyFrom(client, upstream.url, 'debian/bookworm', {
      aliases: [{ name: 'team/base' }],
    });
    const operation = await ended(client, answer);
    expect(operation).toMatchObject({ status: 'Success' });
    const { fingerprint } = operation['metadata'] as { fingerprint: string };
    const items = upstream.products['debian:bookworm:amd64:default']?.versions['20260102_0000']?.items;
    expect(fingerprint).toBe(items?.['lxd.tar.xz']?.['combined_squashfs_sha256']);
    const { metadata } = await client.get(`/1.0/images/${fingerprint}`);
    expect(metadata).toMatchObject({
      public: false,
      auto_update: false,
      architecture: 'x86_64',
      aliases: [{ name: 'team/base' }],
      expires_at: '2030-01-01T00:00:00.000Z',
      properties: { os: 'debian', serial: '20260102_0000', 'requirements.secureboot': 'false' },
    });
    expect(metadata).not.toHaveProperty('update_source');
    expect((await RegistryClient.anonymous(server).get(`/1.0/images/${fingerprint}`)).status).toBe(404);
    expect(await server.workspace.catalog.audit.list({ limit: 1 })).toMatchObject([{ action: 'image.push' }]);
  });

  test('is asked for by fingerprint, by another architecture, and for an alias set afterwards', async () => {
    const upstream = await TestUpstream.start();
    await upstream.offer('debian:bookworm:amd64:default', '20260101_0000');
    await upstream.offer('debian:bookworm:arm64:default', '20260101_0000');
    const { client } = await registryFor(upstream);
    const fingerprints = Object.values(upstream.products).map((product) =>
      String(product.versions['20260101_0000']?.items['lxd.tar.xz']?.['combined_squashfs_sha256']),
    );
    for (const [index, name] of [fingerprints[0]?.slice(0, 12) ?? '', 'debian/bookworm/arm64'].entries()) {
      const { metadata } = await ended(
        client,
        await copyFrom(client, upstream.url, name, { image_type: '' }),
      );
      expect(metadata).toMatchObject({ fingerprint: fingerprints[index] });
    }
    const alias = { name: 'mine', target: fingerprints[1] };
    expect(await client.request('POST', '/1.0/images/aliases', { json: alias })).toMatchObject({
      status: 201,
    });
    expect((await client.get('/1.0/images/aliases/mine')).metadata).toMatchObject({
      target: fingerprints[1],
    });
  });

  test('whose bytes are here is not fetched', async () => {
    const upstream = await TestUpstream.start();
    await upstream.offer('debian:bookworm:amd64:default', '20260101_0000');
    const { client } = await registryFor(upstream);
    await ended(client, await copyFrom(client, upstream.url, 'debian/bookworm'));
    upstream.takeRequests();
    expect(await ended(client, await copyFrom(client, upstream.url, 'debian/bookworm'))).toMatchObject({
      status: 'Success',
    });
    expect(upstream.takeRequests().filter((request) => request.includes(base))).toEqual([]);
  });

  test('is allowed for everything below an address, and for nothing beside it', async () => {
    const upstream = await TestUpstream.start();
    const { client } = await registryFor({ url: `${upstream.url}/sites/a` });
    const refused = [
      '',
      '/sites',
      '/sites/ab',
      '/sites/a/../b',
      '/sites/a/%2e%2e/b',
      '/sites/a?b',
      '/sites/a/..%2fb',
    ];
    for (const path of refused) {
      const answer = await copyFrom(client, upstream.url + path, 'debian/bookworm');
      expect([400, 403], path).toContain(answer.status);
    }
    const other = upstream.url.replace('127.0.0.1', 'localhost');
    expect((await copyFrom(client, `${other}/sites/a`, 'debian/bookworm')).status).toBe(403);
    expect(upstream.requests).toEqual([]);
    for (const path of ['/sites/a', '/sites/a/', '/sites/a/b']) {
      expect((await copyFrom(client, upstream.url + path, 'debian/bookworm')).status, path).toBe(202);
    }
  });
});

describe('words for what cannot be had, and nothing is left of it', () => {
  let upstream: TestUpstream;

  async function refusal(reference: string, more: Parameters<typeof copyFrom>[3] = {}): Promise<unknown> {
    const { client, server } = await registryFor(upstream);
    const operation = await ended(client, await copyFrom(client, upstream.url, reference, more));
    expect(operation['status']).toBe('Failure');
    expect(await blobsOf(server)).toEqual([]);
    expect((await client.get('/1.0/images')).metadata).toEqual([]);
    return operation['err'];
  }

  test.each([2000, 400_000])('a document with another fingerprint: %i bytes', async (size) => {
    upstream = await TestUpstream.start();
    await upstream.offer('debian:bookworm:amd64:default', '20260101_0000', { size });
    const fields =
      upstream.products['debian:bookworm:amd64:default']?.versions['20260101_0000']?.items['lxd.tar.xz'] ??
      {};
    const computed = fields['combined_squashfs_sha256'];
    fields['combined_squashfs_sha256'] = 'ab'.repeat(32);
    upstream.announce();
    const said = String(await refusal('debian/bookworm'));
    expect(said).toContain(String(computed));
    expect(said).toContain('ab'.repeat(32));
  });

  test('another name, another type, another architecture', async () => {
    upstream = await TestUpstream.start();
    await upstream.offer('debian:bookworm:amd64:default', '20260101_0000');
    await upstream.offer('debian:sid:arm64:default', '20260101_0000');
    const { url } = upstream;
    expect(await refusal('alpine/edge')).toBe(`${url}: there is no image named alpine/edge`);
    expect(await refusal('debian/bookworm', { image_type: 'virtual-machine' })).toBe(
      `${url}: debian/bookworm exists, but not as a virtual-machine: ask without --vm`,
    );
    expect(await refusal('debian/sid')).toBe(
      `${url}: debian/sid exists for arm64, not for amd64: ask for debian/sid/arm64`,
    );
  });

  test('wrong bytes, and a fingerprint that is not the announced one', async () => {
    upstream = await TestUpstream.start();
    await upstream.offer('debian:bookworm:amd64:default', '20260101_0000');
    const right = upstream.files.get(`${base}/rootfs.squashfs`) ?? Buffer.alloc(0);
    const wrong = Buffer.from(right);
    wrong.writeUInt8(wrong.readUInt8(wrong.length - 1) ^ 1, wrong.length - 1);
    upstream.files.set(`${base}/rootfs.squashfs`, wrong);
    expect(await refusal('debian/bookworm')).toMatch(/rootfs\.squashfs.*SHA-256 is .* was announced/);
    upstream.files.set(`${base}/rootfs.squashfs`, right);
    const items = upstream.products['debian:bookworm:amd64:default']?.versions['20260101_0000']?.items;
    Object.assign(items?.['lxd.tar.xz'] ?? {}, { combined_squashfs_sha256: 'ab'.repeat(32) });
    upstream.announce();
    expect(await refusal('debian/bookworm')).toMatch(/the fingerprint of the image is .* was announced/);
  });

  test('wrong bytes where the document has another digest than SHA-256', async () => {
    upstream = await TestUpstream.start();
    const digest = { sha256: undefined, md5: '0'.repeat(32) };
    await upstream.offer('debian:bookworm:amd64:default', '20260101_0000', { items: { squashfs: digest } });
    expect(await refusal('debian/bookworm')).toMatch(/its md5 is .* was announced/);
  });

  test('an upstream that is down', async () => {
    upstream = await TestUpstream.start();
    const server = await TestServer.start({
      registry: { mirrorFrom: [{ url: 'http://127.0.0.1:1', unsigned: true }] },
    });
    const client = await RegistryClient.joined(server);
    const { err } = await ended(client, await copyFrom(client, 'http://127.0.0.1:1', 'debian/bookworm'));
    expect(err).toMatch(/^http:\/\/127\.0\.0\.1:1\/.*: the upstream does not answer: .*ECONNREFUSED/);
  });

  test('an image over the quota', async () => {
    upstream = await TestUpstream.start();
    await upstream.offer('debian:bookworm:amd64:default', '20260101_0000', { size: 100_000 });
    const server = await TestServer.start({
      registry: { streamQuota: '50KB', mirrorFrom: [{ url: upstream.url, unsigned: true }] },
    });
    const client = await RegistryClient.joined(server);
    const { err } = await ended(client, await copyFrom(client, upstream.url, 'debian/bookworm'));
    expect(err).toMatch(/registry\.streamQuota|quota/i);
    expect(await blobsOf(server)).toEqual([]);
  });
});

describe.skipIf(lacks('gpg'))('signed documents', () => {
  let key: SigningKey;
  let other: SigningKey;

  beforeAll(async () => {
    [key, other] = [await SigningKey.make('ours'), await SigningKey.make('other')];
  });
  afterAll(async () => {
    await key.remove();
    await other.remove();
  });

  test('are taken when the key is the one that is named', async () => {
    const upstream = await TestUpstream.start();
    await upstream.offer('debian:bookworm:amd64:default', '20260101_0000');
    await upstream.sign(key);
    const { client } = await registryFor(upstream, { keyring: key.keyring });
    expect(await ended(client, await copyFrom(client, upstream.url, 'debian/bookworm'))).toMatchObject({
      status: 'Success',
    });
  });

  test('are refused when it is another, and when there is no signature', async () => {
    const upstream = await TestUpstream.start();
    await upstream.offer('debian:bookworm:amd64:default', '20260101_0000');
    const { client } = await registryFor(upstream, { keyring: key.keyring });
    const error = async () =>
      (await ended(client, await copyFrom(client, upstream.url, 'debian/bookworm')))['err'];
    expect(await error()).toMatch(/streams\/v1\/index\.json: refused: it is not signed/);
    await upstream.sign(other);
    expect(await error()).toMatch(/index\.sjson: refused: it is signed by another key/);
    expect(upstream.requests.filter((request) => request.includes('images/debian'))).toEqual([]);
  });
});

test('who may only read may not have anything copied', async () => {
  const upstream = await TestUpstream.start();
  const server = await TestServer.start({
    registry: { mirrorFrom: [{ url: upstream.url, unsigned: true }] },
  });
  const reader = await RegistryClient.joined(server, { role: 'read' });
  expect(await copyFrom(reader, upstream.url, 'debian/bookworm')).toMatchObject({ status: 403 });
  const member = await RegistryClient.joined(server, { names: ['team/*'] });
  const aliases = [{ name: 'other/app' }];
  expect((await copyFrom(member, upstream.url, 'debian/bookworm', { aliases })).status).toBe(403);
  expect(upstream.requests).toEqual([]);
});

test('a copy that is cancelled leaves nothing', async () => {
  const upstream = await TestUpstream.start();
  await upstream.offer('debian:bookworm:amd64:default', '20260101_0000', { size: 3_000_000 });
  upstream.pace = 100;
  const { client, server } = await registryFor(upstream);
  const { operation } = await copyFrom(client, upstream.url, 'debian/bookworm');
  await expect.poll(() => upstream.requests.some((request) => request.includes('squashfs'))).toBe(true);
  expect((await client.request('DELETE', operation)).status).toBe(200);
  await expect.poll(() => blobsOf(server), { timeout: 10_000 }).toEqual([]);
  expect((await client.get('/1.0/images')).metadata).toEqual([]);
});
