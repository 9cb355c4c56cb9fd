import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { stringify } from 'yaml';
import { type Client, clients, emptyDaemons, trustedTls } from '../support/daemons.ts';
import { FaultProxy } from '../support/fault-proxy.ts';
import { Headwater, until } from './headwater.ts';
import { ImageServer } from './image-server.ts';
import { stores } from './stores.ts';

const remote = 'on-demand';
const serial = '20260102_0304';
const [bookworm, trixie] = ['debian:bookworm:amd64:default', 'debian:trixie:amd64:default'];

describe.each(stores)('a mirror on demand into the $name store', (store) => {
  const fresh = store.fresh();
  let upstream: ImageServer;
  let proxy: FaultProxy;
  let headwater: Headwater;

  beforeAll(async () => {
    upstream = await ImageServer.create();
    const made = '2026-01-02T03:04:00Z';
    const file = (...parts: string[]) => path.join(inject('images'), ...parts);
    const architecture = 'x86_64';
    await upstream.add({ release: 'bookworm', architecture, made }, file('squashfs/rootfs.squashfs'));
    await upstream.add({ release: 'trixie', architecture, made }, file('newer/rootfs.squashfs'));
    await upstream.start();
    proxy = await FaultProxy.start(upstream.url);
    headwater = await Headwater.create(
      { tls: trustedTls, mirrorDir: 'mirrors', ...fresh.settings },
      fresh.environment,
    );
    await mkdir(path.join(headwater.directory, 'mirrors'));
    const definition = { url: proxy.url, keyring: upstream.keyring, mode: 'on-demand' };
    await writeFile(path.join(headwater.directory, 'mirrors/debian.yaml'), stringify(definition));
  });

  afterAll(async () => {
    await emptyDaemons();
    await headwater.remove();
    await proxy.stop();
    await upstream.remove();
  });

  /** The files that are held, without the document of the upstream, which is kept with its signature. */
  const held = async () => (await fresh.contents(headwater.dataDirectory)).blobs.length - 1;
  /** The image files that the upstream was asked for. */
  const asked = () =>
    proxy.requests.map(({ path: file }) => file).filter((file) => file.startsWith('/images/'));

  async function launch(client: Client, release: string): Promise<void> {
    const name = `on-demand-${release}`;
    await client.run('launch', '-q', `${remote}:Debian/${release}/default`, name);
    expect(await client.run('config', 'get', name, 'image.serial')).toBe(`${serial}\n`);
    await client.run('delete', '--force', name);
  }

  test('lists everything and holds nothing', async () => {
    await headwater.start(trustedTls.certificate);
    await headwater.cli('mirror', 'run');
    await until('the images are announced', async () => {
      return Object.keys((await headwater.document()).products).length === 2;
    });
    for (const client of clients) {
      await client.addRemote(remote, headwater.url);
      expect(await client.images(remote)).toHaveLength(2);
    }
    expect({ held: await held(), asked: asked() }).toEqual({ held: 0, asked: [] });
  });

  test('gives an image to LXD and Incus at the same moment, with one request for each file', async () => {
    await Promise.all(clients.map((client) => launch(client, 'bookworm')));
    expect(new Set(asked()).size).toBe(2);
    expect(asked()).toHaveLength(2);
    await until('the image is held', async () => (await held()) === 2);
  });

  test('goes on with a file after it was killed while it fetched it', async () => {
    const root = (await headwater.document()).products[trixie]?.versions[serial]?.items['squashfs'];
    if (root === undefined) throw new Error('there is no squashfs');
    const before = asked().length;
    const here = 8 * 1024 * 1024;
    proxy.inject({
      do: { kind: 'hold-answer', after: 2 * here },
      when: ({ path: file }) => file.startsWith('/images/'),
    });
    const response = await headwater.fetch(`/${root.path}`);
    const reader = response.body?.getReader();
    for (let bytes = 0; bytes < here; ) bytes += (await reader?.read())?.value?.length ?? Number.NaN;
    await headwater.kill();
    proxy.reset();
    expect(await held()).toBe(2);
    await headwater.start(trustedTls.certificate);
    for (const client of clients) await launch(client, 'trixie');
    const ranges = proxy.requests
      .filter(({ path: file }) => file.startsWith('/images/'))
      .flatMap(({ headers }) => headers.range ?? []);
    expect(ranges).toEqual([expect.stringMatching(/^bytes=\d{7,}-$/)]);
    expect(before + asked().length).toBe(4);
  });

  test('lists and gives what it holds when the upstream is gone', async () => {
    await upstream.stop();
    await emptyDaemons();
    for (const client of clients) await client.addRemote(remote, headwater.url);
    for (const client of clients) await launch(client, 'bookworm');
    expect(Object.keys((await headwater.document()).products)).toEqual([bookworm, trixie]);
  });

  test('drops what nobody asked for, and gets it again', async () => {
    await upstream.start();
    const file = path.join(headwater.directory, 'mirrors/debian.yaml');
    const definition = {
      url: proxy.url,
      keyring: upstream.keyring,
      mode: 'on-demand',
      cache: { size: '1KiB' },
    };
    await writeFile(file, stringify(definition));
    await headwater.stop();
    await headwater.start(trustedTls.certificate);
    await until('everything is dropped', async () => (await held()) === 0);
    proxy.reset();
    await emptyDaemons();
    for (const client of clients) await client.addRemote(remote, headwater.url);
    await launch(clients[0] as Client, 'bookworm');
    expect(asked()).toHaveLength(2);
    await until('it is dropped again', async () => (await held()) === 0);
  });
});
