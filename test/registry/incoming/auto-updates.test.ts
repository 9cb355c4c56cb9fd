import { expect, test } from 'vitest';
import { Access } from '../../../src/access/access.ts';
import { parseDigest } from '../../../src/model/digest.ts';
import { AutoUpdates } from '../../../src/registry/incoming/auto-updates.ts';
import { ImageServers } from '../../../src/registry/incoming/image-servers.ts';
import { Receiver } from '../../../src/registry/incoming/receiver.ts';
import { TestUpstream } from '../../mirror/test-upstream.ts';
import { ended, makeImage, upload } from '../../support/push-images.ts';
import { RegistryClient } from '../../support/registry-client.ts';
import { TestServer } from '../../support/server.ts';
import { copyFrom } from './copy-requests.ts';

const product = 'debian:bookworm:amd64:default';
const [first, second, third] = ['20260101_0000', '20260102_0000', '20260103_0000'];

interface Setting {
  upstream: TestUpstream;
  server: TestServer;
  client: RegistryClient;
  updates: AutoUpdates;
  failures: string[];
}

/** A registry with an upstream that offers one version, and rounds that begin when a test says so. */
async function setting(registry: { keep?: number; refreshEvery?: string } = {}): Promise<Setting> {
  const upstream = await TestUpstream.start();
  await upstream.offer(product, first);
  const mirrorFrom = [{ url: upstream.url, unsigned: true as const }];
  const server = await TestServer.start({ registry: { refreshEvery: '20d', ...registry, mirrorFrom } });
  const failures: string[] = [];
  return {
    upstream,
    server,
    client: await RegistryClient.joined(server, { name: 'ours' }),
    updates: updatesOf(server, failures),
    failures,
  };
}

/** What keeps the images of a server up to date, beside the one that the server has itself. */
function updatesOf(
  { workspace, config }: Pick<TestServer, 'workspace' | 'config'>,
  failures: string[],
): AutoUpdates {
  const { catalog, store, destination } = workspace;
  const policy = { ...config.registry, quotas: {}, uploadLimit: 2 ** 30 };
  const access = new Access(catalog, () => true);
  const receiver = new Receiver({
    access,
    catalog,
    destination,
    policy,
  });
  const servers = new ImageServers(config.registry.mirrorFrom, {
    store,
    records: catalog.imageServers,
    mend: () => Promise.resolve(),
  });
  const onFailed = (_: object, error: unknown) => failures.push(String(error));
  return new AutoUpdates(
    { catalog, receiver, servers },
    { every: 1e9, hooks: { onUpdated: () => undefined, onFailed } },
  );
}

/** Has an image copied as `image copy UPSTREAM:debian/bookworm ours: --auto-update` does. @returns its fingerprint */
async function copy({ client, upstream }: Setting, ...aliases: string[]): Promise<string> {
  const request = { auto_update: true, aliases: aliases.map((name) => ({ name })) };
  const operation = await ended(client, await copyFrom(client, upstream.url, 'debian/bookworm', request));
  expect(operation).toMatchObject({ status: 'Success' });
  return (operation['metadata'] as { fingerprint: string }).fingerprint;
}

function fingerprintOf(upstream: TestUpstream, serial: string): unknown {
  return upstream.products[product]?.versions[serial]?.items['lxd.tar.xz']?.['combined_squashfs_sha256'];
}

async function targetOf(client: RegistryClient, alias: string): Promise<unknown> {
  return (await client.get(`/1.0/images/aliases/${alias}`)).metadata?.['target'];
}

test('a newer version of the upstream becomes one of the same product, and all aliases lead to it', async () => {
  const test = await setting();
  const { client, upstream, updates, server } = test;
  const old = await copy(test);
  for (const name of ['base', 'other']) {
    await client.request('POST', '/1.0/images/aliases', { json: { name, target: old } });
  }
  await upstream.offer(product, second);
  await updates.round();
  const fingerprint = fingerprintOf(upstream, second);
  expect([await targetOf(client, 'base'), await targetOf(client, 'other')]).toEqual([
    fingerprint,
    fingerprint,
  ]);
  expect((await client.get(`/1.0/images/${fingerprint}`)).metadata).toMatchObject({
    auto_update: true,
    public: false,
    update_source: {
      alias: 'debian/bookworm',
      protocol: 'simplestreams',
      server: upstream.url,
      image_type: 'container',
    },
  });
  // The old one stays by its fingerprint, without names.
  expect((await client.get(`/1.0/images/${old}`)).metadata).toMatchObject({ aliases: [] });
  const { catalog } = server.workspace;
  const [image] = await catalog.images.byAlias('base');
  const { stream = '', name = '' } = image?.product ?? {};
  expect((await catalog.products.find({ stream, name }))?.versions).toHaveLength(2);
  expect(await catalog.audit.list({ limit: 1 })).toMatchObject([
    { who: 'auto-update', action: 'image.push' },
  ]);
});

test('the stream keeps as many versions as of any pushed image', async () => {
  const test = await setting({ keep: 1 });
  const old = await copy(test, 'base');
  await test.upstream.offer(product, second);
  await test.updates.round();
  expect(await targetOf(test.client, 'base')).toBe(fingerprintOf(test.upstream, second));
  expect((await test.client.get(`/1.0/images/${old}`)).status).toBe(404);
});

test('without an alias the new image takes the place of the old one', async () => {
  const test = await setting();
  await copy(test);
  await test.upstream.offer(product, second);
  await test.updates.round();
  const { metadata } = await test.client.get('/1.0/images');
  expect(metadata).toEqual([`/1.0/images/${fingerprintOf(test.upstream, second)}`]);
});

test('nothing new costs a conditional request for each document', async () => {
  const test = await setting();
  await copy(test, 'base');
  await test.updates.round();
  test.upstream.takeRequests();
  await test.updates.round();
  expect(test.upstream.takeRequests()).toEqual([
    'GET streams/v1/images.json 304',
    'GET streams/v1/index.json 304',
  ]);
});

test('"image refresh" does it at once, and says whether there was anything new', async () => {
  const test = await setting();
  const { client, upstream } = test;
  const refresh = async (fingerprint: unknown) =>
    await ended(client, await client.request('POST', `/1.0/images/${fingerprint}/refresh`, { json: {} }));
  const old = await copy(test, 'base');
  expect(await refresh(old)).toMatchObject({ status: 'Success', metadata: { refreshed: false } });
  await upstream.offer(product, second);
  expect(await refresh(old)).toMatchObject({ status: 'Success', metadata: { refreshed: true } });
  expect(await targetOf(client, 'base')).toBe(fingerprintOf(upstream, second));
  expect(await refresh(old)).toMatchObject({ metadata: { refreshed: false } });
  expect(await refresh(fingerprintOf(upstream, second))).toMatchObject({ metadata: { refreshed: false } });
});

test('a version that the upstream took back is not followed to an older one', async () => {
  const test = await setting();
  await test.upstream.offer(product, second);
  const newest = await copy(test, 'base');
  delete test.upstream.products[product]?.versions[second];
  test.upstream.announce();
  await test.updates.round();
  expect(await targetOf(test.client, 'base')).toBe(newest);
});

test('deleted, edited or moved away from: nothing comes any more', async () => {
  const test = await setting();
  const { client, upstream, updates } = test;
  const old = await copy(test, 'base');
  await client.request('PATCH', `/1.0/images/${old}`, { json: { auto_update: false } });
  await upstream.offer(product, second);
  upstream.takeRequests();
  await updates.round();
  expect(upstream.takeRequests()).toEqual([]);
  await client.request('PATCH', `/1.0/images/${old}`, { json: { auto_update: true } });
  await updates.round();
  const newer = fingerprintOf(upstream, second);
  expect(await targetOf(client, 'base')).toBe(newer);
  for (const fingerprint of [newer, old]) {
    await ended(client, await client.request('DELETE', `/1.0/images/${fingerprint}`));
  }
  await upstream.offer(product, third);
  upstream.takeRequests();
  await updates.round();
  expect(upstream.takeRequests()).toEqual([]);
  expect((await client.get('/1.0/images')).metadata).toEqual([]);
});

test('an image that is deleted while its successor is fetched has none', async () => {
  const test = await setting();
  const { client, upstream, updates, failures, server } = test;
  const old = await copy(test, 'base');
  await upstream.offer(product, second, { size: 200_000 });
  upstream.pace = 1;
  const asked = new Promise<void>((resolve) => {
    upstream.onRequest = (path) => path.endsWith('squashfs') && resolve();
  });
  const round = updates.round();
  await asked;
  await ended(client, await client.request('DELETE', `/1.0/images/${old}`));
  upstream.pace = undefined;
  await round;
  expect(failures).toEqual([expect.stringContaining('Image not found')]);
  expect((await client.get('/1.0/images')).metadata).toEqual([]);
  // What came of the successor is taken back.
  await expect.poll(() => server.workspace.catalog.blobs.digests()).toHaveProperty('size', 2);
});

test('what somebody pushes to the alias while the successor is fetched stays, and ends the updates', async () => {
  const test = await setting();
  const { client, upstream, updates, failures } = test;
  await copy(test, 'base');
  await upstream.offer(product, second, { size: 200_000 });
  upstream.pace = 1;
  const image = await makeImage();
  const asked = new Promise<void>((resolve) => {
    upstream.onRequest = (path) => path.endsWith('squashfs') && resolve();
  });
  const round = updates.round();
  await asked;
  await ended(client, await upload(client, image, { 'X-Incus-aliases': 'alias=base' }));
  upstream.pace = undefined;
  await round;
  expect(failures).toEqual([expect.stringContaining('has a newer version by now')]);
  expect(await targetOf(client, 'base')).toBe(image.fingerprint);
  await updates.round();
  expect([updates.failing, failures.length]).toEqual([0, 1]);
});

test('two servers over one catalog make one version of a newer image, and the one that comes second says so', async () => {
  const test = await setting();
  const { client, upstream, updates, failures, server } = test;
  await copy(test, 'base');
  await upstream.offer(product, second, { size: 200_000 });
  // Slow enough for both to fetch at the same time.
  upstream.pace = 100;
  const others = updatesOf(server, failures);
  await Promise.all([updates.round(), others.round()]);
  expect(failures).toEqual([expect.stringContaining('has a newer version by now')]);
  expect(updates.failing + others.failing).toBe(1);
  expect(await targetOf(client, 'base')).toBe(fingerprintOf(upstream, second));
  const { catalog } = server.workspace;
  const versions = async () => {
    const [image] = await catalog.images.byAlias('base');
    const { stream = '', name = '' } = image?.product ?? {};
    return (await catalog.products.find({ stream, name }))?.versions ?? [];
  };
  expect(await versions()).toHaveLength(2);
  // What the second one fetched is the same blobs: they stay, and nothing else does.
  const digests = (await versions()).flatMap(({ items }) => items.map(({ digest }) => digest));
  expect([...(await catalog.blobs.digests())].sort()).toEqual(digests.sort());
  for (const digest of digests) expect(await server.workspace.store.stat(parseDigest(digest))).toBeDefined();

  await Promise.all([updates.round(), others.round()]);
  expect([updates.failing, others.failing, failures.length]).toEqual([0, 0, 1]);
  expect(await versions()).toHaveLength(2);
});

test('failures are told, change nothing, and end when the upstream is well again', async () => {
  const test = await setting();
  const { client, upstream, updates, failures } = test;
  const old = await copy(test, 'base');
  await upstream.offer(product, second);
  const path = `images/debian/bookworm/amd64/default/${second}/rootfs.squashfs`;
  const right = upstream.files.get(path) ?? Buffer.alloc(0);
  upstream.files.set(path, Buffer.from(right).fill(1, right.length - 10));
  await updates.round();
  expect([updates.failing, await targetOf(client, 'base')]).toEqual([1, old]);
  const index = upstream.files.get('streams/v1/index.json') ?? Buffer.alloc(0);
  upstream.files.delete('streams/v1/index.json');
  await updates.round();
  expect([updates.failing, await targetOf(client, 'base')]).toEqual([1, old]);
  expect(failures).toEqual([
    expect.stringMatching(/SHA-256 is .* was announced/),
    expect.stringMatching(/the upstream has no streams\/v1\/index\.json/),
  ]);
  upstream.files.set(path, right).set('streams/v1/index.json', index);
  await updates.round();
  expect([updates.failing, await targetOf(client, 'base')]).toEqual([0, fingerprintOf(upstream, second)]);
});

test('a server that was started again goes on by itself', async () => {
  const test = await setting();
  await copy(test, 'base');
  await test.upstream.offer(product, second);
  const { dataDir, registry } = test.server.config;
  await test.server.server.close();
  const again = await TestServer.start({
    dataDir,
    registry: { mirrorFrom: registry.mirrorFrom, refreshEvery: '1s' },
  });
  const client = await RegistryClient.joined(again);
  await expect
    .poll(() => targetOf(client, 'base'), { timeout: 10_000 })
    .toBe(fingerprintOf(test.upstream, second));
  await test.upstream.offer(product, third);
  await expect
    .poll(() => targetOf(client, 'base'), { timeout: 10_000 })
    .toBe(fingerprintOf(test.upstream, third));
});

test('a server that is no longer allowed is not asked', async () => {
  const test = await setting();
  await copy(test, 'base');
  test.upstream.takeRequests();
  test.server.config.registry.mirrorFrom.length = 0;
  const updates = updatesOf(test.server, test.failures);
  await updates.round();
  expect(test.failures).toEqual([expect.stringContaining('registry.mirrorFrom')]);
  expect(test.upstream.requests).toEqual([]);
});

test('an image that somebody else has here, too, is kept up to date for who asked only', async () => {
  const test = await setting();
  const { server, upstream, client, updates } = test;
  await ended(
    client,
    await copyFrom(client, upstream.url, 'debian/bookworm', { aliases: [{ name: 'ours/base' }] }),
  );
  const other = await RegistryClient.joined(server, { names: ['theirs/*'] });
  const request = { auto_update: true, aliases: [{ name: 'theirs/base' }] };
  const copied = await ended(other, await copyFrom(other, upstream.url, 'debian/bookworm', request));
  expect(copied).toMatchObject({ status: 'Success' });
  await upstream.offer(product, second);
  await updates.round();
  expect(await targetOf(client, 'ours%2Fbase')).toBe(fingerprintOf(upstream, first));
  expect(await targetOf(client, 'theirs%2Fbase')).toBe(fingerprintOf(upstream, second));
});

test('two small mirrors of one image stay two', async () => {
  const test = await setting();
  const { server, upstream, client, updates, failures } = test;
  const names = ['ours', 'theirs'];
  for (const name of names) {
    const who = await RegistryClient.joined(server, { names: [`${name}/*`] });
    const request = { auto_update: true, aliases: [{ name: `${name}/base` }] };
    await ended(who, await copyFrom(who, upstream.url, 'debian/bookworm', request));
  }
  for (const serial of [second, third]) {
    await upstream.offer(product, serial);
    await updates.round();
    for (const name of names) {
      expect(await targetOf(client, `${name}%2Fbase`)).toBe(fingerprintOf(upstream, serial));
    }
  }
  expect(failures).toEqual([]);
  expect(await server.workspace.catalog.images.autoUpdated()).toHaveLength(2);
});
