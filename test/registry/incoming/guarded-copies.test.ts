import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { TestUpstream } from '../../mirror/test-upstream.ts';
import { flip } from '../../ops/scrub/flip.ts';
import { scratchDirectory } from '../../support/catalog.ts';
import { ended } from '../../support/push-images.ts';
import { RegistryClient } from '../../support/registry-client.ts';
import { TestServer } from '../../support/server.ts';
import { copyFrom } from './copy-requests.ts';

const product = 'debian:bookworm:amd64:default';

/** An upstream with two states: the recent one has a second version. */
async function twoStates(): Promise<{ upstream: TestUpstream; serve: (state: 'old' | 'recent') => void }> {
  const upstream = await TestUpstream.start();
  upstream.updated = 'Tue, 03 Sep 2024 10:00:00 +0000';
  await upstream.offer(product, '20240903_1000');
  const old = upstream.snapshot();
  upstream.updated = 'Wed, 02 Oct 2024 10:00:00 +0000';
  await upstream.offer(product, '20241002_1000');
  const states = { old, recent: upstream.snapshot() };
  return { upstream, serve: (state) => upstream.serve(states[state]) };
}

/** A registry that may copy from an upstream. It can be started again. */
async function registryOn(dataDir: string, upstream: TestUpstream, more: { acceptOlder?: true } = {}) {
  const registry = { mirrorFrom: [{ url: upstream.url, unsigned: true as const, ...more }] };
  const server = await TestServer.open({ dataDir, registry });
  let isOpen = true;
  const close = async () => {
    if (isOpen) await server.close();
    isOpen = false;
  };
  onTestFinished(close);
  const client = await RegistryClient.joined(server, { name: `client ${Math.random()}` });
  const copy = async () => await ended(client, await copyFrom(client, upstream.url, 'debian/bookworm'));
  const serialOf = async ({ metadata }: Awaited<ReturnType<typeof copy>>) => {
    const { fingerprint } = metadata as { fingerprint: string };
    const { properties } = (await client.get(`/1.0/images/${fingerprint}`)).metadata as {
      properties: Record<string, string>;
    };
    return properties['serial'];
  };
  return { server, client, copy, serialOf, close };
}

const dates = /index\.json: .*updated 2024-09-03T10:00:00Z, but the accepted one 2024-10-02T10:00:00Z/;

test('older documents are refused with both dates, also after a restart, until an administrator accepts them', async () => {
  const { upstream, serve } = await twoStates();
  const dataDir = await scratchDirectory();
  const first = await registryOn(dataDir, upstream);
  expect(await first.serialOf(await first.copy())).toBe('20241002_1000');
  serve('old');
  expect(await first.copy()).toMatchObject({
    status: 'Failure',
    err: expect.stringMatching(dates) as unknown,
  });
  serve('recent');
  expect(await first.copy()).toMatchObject({ status: 'Success' });
  await first.close();

  serve('old');
  const second = await registryOn(dataDir, upstream);
  const { err } = await second.copy();
  expect(err).toMatch(dates);
  expect(err).toMatch(/set "acceptOlder: true" in its entry of registry\.mirrorFrom/);
  await second.close();

  const third = await registryOn(dataDir, upstream, { acceptOlder: true });
  expect(await third.serialOf(await third.copy())).toBe('20240903_1000');
  const events = await third.server.workspace.catalog.audit.list({ limit: 50 });
  expect(events.filter(({ action }) => action === 'mirror.force')[0]).toMatchObject({
    subject: upstream.url,
    details: { problem: expect.stringContaining('2024-10-02T10:00:00Z') as unknown },
  });
  await third.close();

  // From then on they are the ones to compare with.
  const fourth = await registryOn(dataDir, upstream);
  expect(await fourth.copy()).toMatchObject({ status: 'Success' });
});

test('an upstream that offers something else in the place of its images is refused', async () => {
  const { upstream } = await twoStates();
  const { copy } = await registryOn(await scratchDirectory(), upstream);
  expect(await copy()).toMatchObject({ status: 'Success' });
  upstream.contentId = 'daily';
  upstream.announce();
  const { err } = await copy();
  expect(err).toMatch(/it offers "?daily"?; the accepted one had "?images"?/);
});

test('nothing is copied from a document that is older than the index', async () => {
  const { upstream, serve } = await twoStates();
  const { copy } = await registryOn(await scratchDirectory(), upstream);
  serve('old');
  const products = upstream.files.get('streams/v1/images.json') ?? Buffer.alloc(0);
  serve('recent');
  upstream.files.set('streams/v1/images.json', products);
  expect((await copy())['err']).toMatch(/images\.json is older than the index says/);
  serve('recent');
  expect(await copy()).toMatchObject({ status: 'Success' });
});

test('an update that would go back changes nothing', async () => {
  const { upstream, serve } = await twoStates();
  const { client } = await registryOn(await scratchDirectory(), upstream);
  const request = { auto_update: true, aliases: [{ name: 'app' }] };
  const copied = await ended(client, await copyFrom(client, upstream.url, 'debian/bookworm', request));
  const { fingerprint } = copied['metadata'] as { fingerprint: string };
  serve('old');
  const refreshed = await ended(client, await client.request('POST', `/1.0/images/${fingerprint}/refresh`));
  expect(refreshed).toMatchObject({ status: 'Failure', err: expect.stringMatching(dates) as unknown });
  expect((await client.get('/1.0/images/aliases/app')).metadata).toMatchObject({ target: fingerprint });
});

test('a stored copy with a flipped byte is set aside, and the next try downloads the file', async () => {
  const upstream = await TestUpstream.start();
  await upstream.offer(product, '20260101_0000', { size: 400_000 });
  const { copy, server } = await registryOn(await scratchDirectory(), upstream);
  const copied = await copy();
  expect(copied).toMatchObject({ status: 'Success' });
  const file = 'images/debian/bookworm/amd64/default/20260101_0000/rootfs.squashfs';
  const digest = upstream.digestOf(file);
  await flip(join(server.config.dataDir, 'blobs/sha256', digest.slice(0, 2), digest));
  upstream.takeRequests();
  expect((await copy())['err']).toMatch(/the stored copy .* is damaged and was set aside: try again/);
  expect(upstream.takeRequests()).not.toContain(`GET ${file} 200`);
  expect((await server.workspace.catalog.storage.lostSize()).blobs).toBe(1);
  expect(await copy()).toMatchObject({ status: 'Success', metadata: copied['metadata'] });
  expect(upstream.takeRequests()).toContain(`GET ${file} 200`);
  expect((await server.workspace.catalog.storage.lostSize()).blobs).toBe(0);
});
