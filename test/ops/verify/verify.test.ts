import { createHash } from 'node:crypto';
import { readFile, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { runMirror } from '../../../src/mirror/run/run.ts';
import { type Digest, parseDigest } from '../../../src/model/digest.ts';
import { tidyAside } from '../../../src/ops/set-aside.ts';
import { adoptStore } from '../../../src/ops/store-owner.ts';
import { verifyHeld } from '../../../src/ops/verify/verify.ts';
import { TestUpstream } from '../../mirror/test-upstream.ts';
import { definition } from '../../mirror/workspace.ts';
import { TestServer } from '../../support/server.ts';
import { makeSmallImage } from '../../support/small-images.ts';
import { flip } from '../scrub/flip.ts';

const claimed = 'ab'.repeat(32);

/** A server with a published image. */
async function setUp() {
  const server = await TestServer.start({ tls: 'off' });
  const image = await makeSmallImage({ size: 700_000 });
  const [metadata, root] = await Promise.all([readFile(image.metadata), readFile(image.root)]);
  const publish = async (variant?: string) =>
    await server.publish({
      files: [image.metadata, image.root].map((path) => ({ from: 'disk' as const, name: path, path })),
      ...(variant === undefined ? {} : { variant }),
    });
  const { product, serial, images } = await publish();
  const { workspace, config } = server;
  await adoptStore(workspace.catalog, workspace.store);
  const path = (digest: Digest) => join(config.dataDir, 'blobs/sha256', digest.slice(0, 2), digest);
  const verify = async (options: { read?: boolean; repair?: boolean } = {}) =>
    await verifyHeld(workspace, { read: false, repair: false, ...options });
  const at = `/images/debian/bookworm/amd64/default/${serial}`;
  const statusOf = async (file: string) => (await server.request(`${at}/${file}`, { scheme: 'http' })).status;
  const actions = async () =>
    (await workspace.catalog.audit.list({ limit: 20 })).map(({ action, subject }) => `${action} ${subject}`);
  const fingerprint = images[0]?.fingerprint ?? '';
  return {
    ...{ server, workspace, config, path, verify, statusOf, actions, publish, product, serial, fingerprint },
    metadata: digestOf(metadata),
    root: digestOf(root),
    size: root.length,
  };
}

function digestOf(bytes: Buffer): Digest {
  return parseDigest(createHash('sha256').update(bytes).digest('hex'));
}

/** Makes the catalog say what one of version 0.1.0 may: the fingerprint of an upstream's document. */
function spoil(dataDir: string, root: Digest, fingerprint = claimed): void {
  const database = new Sqlite(join(dataDir, 'catalog.db'));
  database.prepare('update items set fingerprint = ? where digest = ?').run(fingerprint, root);
  database.prepare('delete from fingerprints where root = ?').run(root);
  database.close();
}

test('nothing is wrong with what was published', async () => {
  const { verify, size } = await setUp();
  const report = await verify({ read: true });
  expect(report).toMatchObject({ blobs: 2, lost: [], fingerprints: [] });
  expect(report.bytes).toBeGreaterThan(size);
});

describe('blobs', () => {
  test('a flipped bit is found by reading, and served no longer once it is repaired', async () => {
    const { verify, path, root, product, serial, statusOf, actions, publish, workspace } = await setUp();
    await flip(path(root));
    expect(await verify()).toMatchObject({ lost: [] });
    const versions = [{ stream: 'images', product, serial, owner: 'local' }];
    const found = { lost: [{ digest: root, state: 'damaged', versions }], fingerprints: [] };
    expect(await verify({ read: true })).toMatchObject(found);
    expect(await statusOf('rootfs.squashfs')).toBe(200);
    expect(await verify({ read: true, repair: true })).toMatchObject(found);
    expect(await statusOf('rootfs.squashfs')).toBe(503);
    expect(await statusOf('lxd.tar.xz')).toBe(200);
    expect((await actions())[0]).toBe(`blob.lose sha256:${root}`);
    // It is not forgotten, and does not come back by itself.
    await tidyAside(workspace.catalog, workspace.store, { keepRemoved: 0, keepUnknown: 0 });
    expect(await verify()).toMatchObject({ lost: [{ digest: root, state: 'missing', versions }] });
    expect(await statusOf('rootfs.squashfs')).toBe(503);
    const aside = async () => {
      const all = [];
      for await (const { digest, reason } of workspace.store.aside()) all.push([digest, reason]);
      return all;
    };
    expect(await aside()).toEqual([[root, 'damaged']]);
    // The same files, published again, mend it.
    await publish();
    expect(await statusOf('rootfs.squashfs')).toBe(200);
    expect(await verify({ read: true })).toMatchObject({ lost: [], fingerprints: [] });
    await tidyAside(workspace.catalog, workspace.store, { keepRemoved: 0, keepUnknown: 0 });
    expect(await aside()).toEqual([]);
  });

  test('that are cut or gone are found without reading', async () => {
    const { verify, path, root, metadata } = await setUp();
    await truncate(path(root), 1000);
    await rm(path(metadata));
    const states = (report: Awaited<ReturnType<typeof verify>>) =>
      new Map(report.lost.map(({ digest, state }) => [digest, state]));
    const expected = new Map<Digest, string>([
      [root, 'damaged'],
      [metadata, 'missing'],
    ]);
    expect(states(await verify())).toEqual(expected);
    expect(states(await verify({ repair: true }))).toEqual(expected);
    expect(new Set(states(await verify()).values())).toEqual(new Set(['missing']));
  });

  test('that were set aside though a version has them come back', async () => {
    const { verify, workspace, root } = await setUp();
    await workspace.store.setAside(root, 'unknown');
    expect(await verify()).toMatchObject({ lost: [] });
    expect(await workspace.store.stat(root)).toBeDefined();
  });

  test('of a store that belongs to another catalog are not set aside', async () => {
    const { verify, workspace } = await setUp();
    const record = { catalog: 'another', revision: 7, mark: 'x', at: '2026-01-01T00:00:00.000Z' };
    await workspace.store.writeRecord('owner', JSON.stringify(record));
    await expect(verify({ repair: true })).rejects.toMatchObject({ kind: 'conflict' });
    expect(await verify({ read: true })).toMatchObject({ lost: [] });
  });

  test('of a mirror are fetched again by its next run, or on the next request if the mirror is on demand', async () => {
    const upstream = await TestUpstream.start();
    await upstream.offer('debian:bookworm:amd64:default', '20260101_0000', { size: 400_000 });
    for (const mode of ['scheduled', 'on-demand'] as const) {
      const mirror = definition(upstream.url, { mode });
      const server = await TestServer.start({ tls: 'off' }, [mirror]);
      const services = { ...server.workspace, dataDir: server.config.dataDir };
      await runMirror(mirror, services, { cause: 'manual' });
      await adoptStore(services.catalog, services.store);
      const at = '/images/debian/bookworm/amd64/default/20260101_0000/rootfs.squashfs';
      const fetch = async () => await server.request(at, { scheme: 'http' });
      const right = (await fetch()).body;
      const digest = digestOf(right);
      await expect.poll(async () => await services.store.stat(digest)).toBeDefined();
      await expect.poll(async () => await services.catalog.blobs.find(digest)).toBeDefined();
      await flip(join(server.config.dataDir, 'blobs/sha256', digest.slice(0, 2), digest));
      expect(await verifyHeld(services, { read: true, repair: true })).toMatchObject({ lost: [{ digest }] });
      if (mode === 'scheduled') {
        expect((await fetch()).status).toBe(503);
        const run = async () => (await runMirror(mirror, services, { cause: 'manual' })).outcome;
        expect([await run(), await run()]).toEqual(['success', 'unchanged']);
      }
      const again = await fetch();
      expect({ status: again.status, same: again.body.equals(right) }).toEqual({ status: 200, same: true });
    }
  });

  test('that are only listed on demand are none of it', async () => {
    const upstream = await TestUpstream.start();
    await upstream.offer('debian:bookworm:amd64:default', '20260101_0000');
    const { workspace, verify, config } = await setUp();
    const mirror = definition(upstream.url, { mode: 'on-demand', stream: 'other' });
    await runMirror(mirror, { ...workspace, dataDir: config.dataDir }, { cause: 'manual' });
    // The two files of the published image, and the document that the mirror keeps.
    expect(await verify({ read: true })).toMatchObject({ blobs: 3, lost: [], fingerprints: [] });
  });
});

describe('fingerprints of an old catalog', () => {
  test('that are wrong are found by reading, and set right', async () => {
    const { verify, config, root, fingerprint, product, serial, server, actions, workspace } = await setUp();
    spoil(config.dataDir, root);
    expect(await verify()).toMatchObject({ fingerprints: [] });
    const found = {
      lost: [],
      fingerprints: [{ stream: 'images', product, serial, owner: 'local', claimed, computed: fingerprint }],
    };
    expect(await verify({ read: true })).toMatchObject(found);
    expect(await workspace.catalog.images.find(claimed)).toHaveLength(1);
    expect(await verify({ read: true, repair: true })).toMatchObject(found);
    expect(await workspace.catalog.images.find(claimed)).toHaveLength(0);
    expect(await workspace.catalog.images.find(fingerprint)).toMatchObject([{ isComputed: true }]);
    expect((await actions())[0]).toBe(`image.fingerprint ${product}@${serial}`);
    await expect
      .poll(async () => (await server.request('/streams/v1/images.json', { scheme: 'http' })).body.toString())
      .toContain(fingerprint);
    expect(await verify({ read: true })).toMatchObject({ lost: [], fingerprints: [] });
  });

  test('that are right are known to be computed afterwards', async () => {
    const { verify, config, fingerprint, workspace } = await setUp();
    const database = new Sqlite(join(config.dataDir, 'catalog.db'));
    database.prepare('delete from fingerprints').run();
    database.close();
    expect(await workspace.catalog.images.find(fingerprint)).toMatchObject([{ isComputed: false }]);
    await verify({ read: true, repair: true });
    expect(await workspace.catalog.images.find(fingerprint)).toMatchObject([{ isComputed: true }]);
  });

  test('do not stand before the image whose bytes have them', async () => {
    const { config, root, server } = await setUp();
    const other = await makeSmallImage({ os: 'fedora', size: 500_000 });
    const { images } = await server.publish({
      files: [other.metadata, other.root].map((path) => ({ from: 'disk' as const, name: path, path })),
    });
    const fingerprint = images[0]?.fingerprint ?? '';
    spoil(config.dataDir, root, fingerprint);
    const answer = await server.request(`/1.0/images/${fingerprint}`, { scheme: 'http' });
    expect(answer.json()).toMatchObject({ metadata: { fingerprint, properties: { os: 'fedora' } } });
    const exported = await server.request(`/1.0/images/${fingerprint}/export`, { scheme: 'http' });
    expect(exported.body.includes(await readFile(other.root))).toBe(true);
  });
});
