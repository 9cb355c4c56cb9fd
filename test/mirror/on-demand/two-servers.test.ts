import { hash } from 'node:crypto';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runMirror } from '../../../src/mirror/run/run.ts';
import { scratchDirectory } from '../../support/catalog.ts';
import { ChildServer } from '../../support/child-server.ts';
import { TestUpstream } from '../test-upstream.ts';
import { definition, held, mirrorServices } from '../workspace.ts';

const product = 'debian:bookworm:amd64:default';
const path = 'images/debian/bookworm/amd64/default/20260101_0000/rootfs.squashfs';

test('two servers over one catalog each fetch for their own clients, and the file is stored once', async () => {
  const upstream = await TestUpstream.start();
  await upstream.offer(product, '20260101_0000', { size: 1_500_000 });
  const dataDir = await scratchDirectory();
  const parts = await mirrorServices(dataDir);
  const mirror = definition(upstream.url, { mode: 'on-demand' });
  await runMirror(mirror, parts, { cause: 'manual' });
  const mirrorDir = join(dataDir, 'definitions');
  await mkdir(mirrorDir);
  await writeFile(
    join(mirrorDir, 'test.yaml'),
    `url: ${upstream.url}\nunsigned: true\nenabled: true\nselect: [{}]\nstream: images\nmode: on-demand\n`,
  );
  const settings = ['tls=off', `mirrorDir=${mirrorDir}`];
  const servers = await Promise.all([1, 2].map(() => ChildServer.start(settings, dataDir)));
  const get = async ({ port }: ChildServer) => {
    const response = await fetch(`http://127.0.0.1:${port}/${path}`);
    const bytes = Buffer.from(await response.arrayBuffer());
    return { status: response.status, digest: hash('sha256', bytes) };
  };
  const metadata = path.replace('rootfs.squashfs', 'lxd.tar.xz');
  upstream.takeRequests();
  // Slow enough for both to fetch at the same time.
  upstream.pace = 1500;
  const whole = { status: 200, digest: upstream.digestOf(path) };
  expect(await Promise.all(servers.map(get))).toEqual([whole, whole]);
  // Each server also fetches the metadata, to check the fingerprint of the image.
  const fetched = [metadata, metadata, path, path].map((name) => `GET ${name} 200`);
  expect(upstream.takeRequests().sort()).toEqual(fetched);

  // Later requests are answered from the store, by either server.
  expect(await Promise.all(servers.map(get))).toEqual([whole, whole]);
  expect(upstream.takeRequests()).toEqual([]);
  const stored = [metadata, path].map((name) => upstream.digestOf(name));
  const documents = (await parts.catalog.evidence.documents()).map(({ blob }) => blob.digest);
  expect([...(await parts.catalog.blobs.digests())].sort()).toEqual([...stored, ...documents].sort());
  expect(await held(parts)).toEqual([`${product}@20260101_0000`]);
  await expect.poll(() => readdir(join(dataDir, 'downloads/on-demand'))).toEqual([]);
});
