import { expect, test } from 'vitest';
import { runMirror } from '../../../src/mirror/run/run.ts';
import { parseDigest } from '../../../src/model/digest.ts';
import { collectGarbage } from '../../../src/ops/garbage-collection.ts';
import { TestServer } from '../../support/server.ts';
import { TestUpstream } from '../test-upstream.ts';
import { definition, mirrorServices } from '../workspace.ts';

const product = 'debian:bookworm:amd64:default';
const path = (serial: string) => `images/debian/bookworm/amd64/default/${serial}/rootfs.squashfs`;

test('what a mirror retires can be fetched for the grace period; then its bytes go, and no others', async () => {
  const upstream = await TestUpstream.start();
  const [old, young] = ['20260101_0000', '20260102_0000'];
  await upstream.offer(product, old);
  const parts = await mirrorServices();
  const mirror = definition(upstream.url, { keep: { versions: 1, removed: 'keep' } });
  await runMirror(mirror, parts, { cause: 'manual' });
  await upstream.offer(product, young);
  // The server does not collect by itself again within the test: when it does is decided below.
  const server = await TestServer.start({ tls: 'off', dataDir: parts.dataDir, gracePeriod: '1h' });
  const { report } = await runMirror(mirror, parts, { cause: 'manual' });
  expect(report).toMatchObject({ added: 1, retired: 1 });
  const listed = async () => {
    const { body } = await server.request('/streams/v1/images.json', { scheme: 'http' });
    return [old, young].filter((serial) => body.includes(serial));
  };
  await expect.poll(listed).toEqual([young]);
  const get = async (serial: string) => {
    const { status, body } = await server.request(`/${path(serial)}`, { scheme: 'http' });
    return { status, right: body.equals(upstream.files.get(path(serial)) ?? Buffer.alloc(0)) };
  };
  const fetched = { status: 200, right: true };
  const isStored = async (serial: string) =>
    (await parts.store.stat(parseDigest(upstream.digestOf(path(serial))))) !== undefined;

  await collectGarbage(parts.catalog, parts.store, { gracePeriod: 3_600_000, strays: true });
  expect([await get(old), await get(young)]).toEqual([fetched, fetched]);

  await expect
    .poll(async () => {
      await collectGarbage(parts.catalog, parts.store, { gracePeriod: 1, strays: true });
      return await isStored(old);
    })
    .toBe(false);
  expect(await get(old)).toMatchObject({ status: 404 });
  expect(await get(young)).toEqual(fetched);
});

test('a running server collects what was retired once the grace period is over', async () => {
  const upstream = await TestUpstream.start();
  await upstream.offer(product, '20260101_0000');
  const server = await TestServer.start({ tls: 'off', gracePeriod: '2s' });
  const parts = { ...server.workspace, dataDir: server.config.dataDir };
  const mirror = definition(upstream.url, { keep: { versions: 1, removed: 'keep' } });
  await runMirror(mirror, parts, { cause: 'manual' });
  await upstream.offer(product, '20260102_0000');
  await runMirror(mirror, parts, { cause: 'manual' });
  const digest = parseDigest(upstream.digestOf(path('20260101_0000')));
  expect(await parts.store.stat(digest)).toBeDefined();
  await expect.poll(() => parts.store.stat(digest), { timeout: 15_000 }).toBeUndefined();
  const { status } = await server.request(`/${path('20260102_0000')}`, { scheme: 'http' });
  expect(status).toBe(200);
});
