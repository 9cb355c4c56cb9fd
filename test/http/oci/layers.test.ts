import { hash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { xz } from '../../../src/image/compression/xz/xz-pack.ts';
import { parseDigest } from '../../../src/model/digest.ts';
import { collectGarbage } from '../../../src/ops/garbage-collection.ts';
import { demand } from '../../support/needs.ts';
import { type Packing, publishTarball, rootTarball } from '../../support/root-tarballs.ts';
import { TestServer } from '../../support/server.ts';
import { makeSmallImage } from '../../support/small-images.ts';
import { OciClient } from './client.ts';

const product = { stream: 'images', name: 'debian:bookworm:amd64:default' };

async function start(dataDir?: string) {
  const server = await TestServer.start({
    oci: { compress: ['images'] },
    ...(dataDir === undefined ? {} : { dataDir }),
  });
  return { server, client: new OciClient(server) };
}

/** The only layer of an image, once it was made. */
async function layerOf(client: OciClient, tag = 'bookworm') {
  await expect.poll(() => client.tags('debian'), { timeout: 30_000 }).toContain(tag);
  const { manifests } = await client.document('debian', tag);
  const { layers, config } = await client.document('debian', manifests?.[0]?.digest ?? '');
  const digest = layers?.[0]?.digest ?? '';
  const [layer, about] = [
    await client.get(`/v2/debian/blobs/${digest}`),
    await client.get(`/v2/debian/blobs/${config?.digest}`),
  ];
  const { rootfs } = about.json() as { rootfs: { diff_ids: string[] } };
  return { digest, bytes: layer.body, diffId: rootfs.diff_ids[0] };
}

test.each<Packing>(['xz', 'none'])(
  'a root tarball (%s) gets a gzip layer of the same archive',
  async (packing) => {
    const { server, client } = await start();
    const archive = await rootTarball('none');
    const root = packing === 'xz' ? await xz(archive) : archive;
    await publishTarball(server, { root });
    const { bytes, digest, diffId } = await layerOf(client);
    expect(digest).toBe(`sha256:${hash('sha256', bytes)}`);
    expect(gunzipSync(bytes).equals(archive)).toBe(true);
    expect(diffId).toBe(`sha256:${hash('sha256', archive)}`);
  },
);

test('a squashfs gets a layer, unless there is a root tarball', async () => {
  demand('sqfs2tar');
  const { server, client } = await start();
  const image = await makeSmallImage();
  const publish = async (...paths: string[]) =>
    await server.publish({ files: paths.map((path) => ({ from: 'disk', name: path, path })) });
  await publish(image.metadata, image.root);
  const fromSquashfs = await layerOf(client);
  expect(gunzipSync(fromSquashfs.bytes).toString('latin1')).toContain('etc/noise');
  expect(fromSquashfs.diffId).toBe(`sha256:${hash('sha256', gunzipSync(fromSquashfs.bytes))}`);
});

test('only streams that are configured get layers', async () => {
  const server = await TestServer.start({ oci: { compress: ['nightly'] } });
  await publishTarball(server);
  await publishTarball(server, {}, { stream: 'nightly', createStream: true });
  const client = new OciClient(server);
  await expect.poll(() => client.tags('nightly/debian')).toContain('bookworm');
  expect(await client.tags('debian')).toEqual([]);
});

test('a layer is made once: not again after a restart, nor for another version with the same root', async () => {
  const { server, client } = await start();
  const { root } = await publishTarball(server, { serial: '20260101_0000' });
  const first = await layerOf(client);
  await publishTarball(server, { root, serial: '20260202_0000' });
  expect((await layerOf(client, 'bookworm-20260202_0000')).digest).toBe(first.digest);
  const again = await start(server.config.dataDir);
  expect((await layerOf(again.client)).digest).toBe(first.digest);
});

test('garbage collection keeps a layer as long as its version', async () => {
  const { server, client } = await start();
  await publishTarball(server);
  const { digest } = await layerOf(client);
  const { catalog, store } = server.workspace;
  const collect = () => collectGarbage(catalog, store, { gracePeriod: -1000, keepRemoved: 0, strays: true });
  const isStored = async () => (await store.stat(parseDigest(digest))) !== undefined;
  await collect();
  expect(await isStored()).toBe(true);
  await catalog.versions.remove(product, '20260131_0524');
  await collect();
  expect(await isStored()).toBe(false);
});
