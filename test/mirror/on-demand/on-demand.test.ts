import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import http from 'node:http';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Overrides } from '../../../src/config/load.ts';
import type { MirrorDefinition } from '../../../src/config/mirror-schema.ts';
import { runMirror } from '../../../src/mirror/run/run.ts';
import { parseDigest } from '../../../src/model/digest.ts';
import type { Item } from '../../../src/model/versions.ts';
import { FaultProxy } from '../../support/fault-proxy.ts';
import { TestServer } from '../../support/server.ts';
import { makeSmallImage } from '../../support/small-images.ts';
import { TestUpstream } from '../test-upstream.ts';
import { definition } from '../workspace.ts';

const product = 'debian:bookworm:amd64:default';
const base = '/images/debian/bookworm/amd64/default/20260101_0000';
const root = `${base}/rootfs.squashfs`;

/** Another Headwater as the upstream, a proxy that misbehaves before it, and a mirror on demand of it. */
async function setUp(changes: Partial<MirrorDefinition> = {}, overrides: Overrides = {}) {
  const upstream = await TestServer.start({ tls: 'off' });
  const image = await makeSmallImage({ size: 2_000_000 });
  await upstream.publish({
    files: [
      { from: 'disk', name: 'lxd.tar.xz', path: image.metadata },
      { from: 'disk', name: 'rootfs.squashfs', path: image.root },
    ],
  });
  await announced(upstream);
  const proxy = await FaultProxy.start(upstream.url('', 'http'));
  onTestFinished(() => proxy.stop());
  const mirror = definition(proxy.url, { mode: 'on-demand', ...changes });
  const server = await TestServer.start({ tls: 'off', ...overrides }, [mirror]);
  const parts = { ...server.workspace, dataDir: server.config.dataDir };
  const { outcome, report } = await runMirror(mirror, parts, { cause: 'manual' });
  expect({ outcome, added: report.added, fetched: report.fetched }).toEqual({
    outcome: 'success',
    added: 1,
    fetched: 0,
  });
  await announced(server);
  const items =
    (await parts.catalog.products.find({ stream: 'images', name: product }))?.versions[0]?.items ?? [];
  const item = items.find(({ type }) => type === 'squashfs') as Item;
  const whole = await upstream.request(root, { scheme: 'http' });
  proxy.reset();
  const isRoot = { when: ({ path }: { path: string }) => path === root };
  /** How often the upstream was asked for the root. */
  const asked = () => proxy.requests.filter(isRoot.when).length;
  const stored = async () =>
    (await readdir(join(server.config.dataDir, 'blobs'), { recursive: true })).includes(
      `sha256/${item.digest.slice(0, 2)}/${item.digest}`,
    );
  return { upstream, proxy, mirror, server, item, bytes: whole.body, isRoot, asked, stored };
}

/** A client that reads as it likes. */
class Client {
  readonly response: http.IncomingMessage;
  readonly #chunks: Buffer[] = [];
  #length = 0;

  private constructor(response: http.IncomingMessage) {
    this.response = response;
    response.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#length += chunk.length;
      response.emit('more');
    });
    response.on('error', () => undefined);
  }

  /** Asks; resolves when the headers have come. */
  static async ask(server: TestServer, path: string, headers: Record<string, string> = {}): Promise<Client> {
    const request = http.get(server.url(path, 'http'), { headers, agent: false });
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    return new Client(response);
  }

  async received(bytes: number): Promise<void> {
    while (this.#length < bytes) await once(this.response, 'more');
  }

  /** What came until the end, and whether that was the announced one. */
  async end(): Promise<{ bytes: Buffer; complete: boolean }> {
    if (!this.response.closed) await new Promise((resolve) => this.response.once('close', resolve));
    return { bytes: Buffer.concat(this.#chunks), complete: this.response.complete };
  }

  leave(): void {
    this.response.destroy();
  }
}

/** Resolves when a server's documents have the product. */
async function announced(server: TestServer): Promise<void> {
  await until('the product is announced', async () => {
    const { body } = await server.request('/streams/v1/images.json', { scheme: 'http' });
    return body.includes(product);
  });
}

async function until(what: string, condition: () => Promise<boolean> | boolean): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`it never came to pass that ${what}`);
}

test('everything is listed, and a file is fetched when it is first asked for; from then on it is here', async () => {
  const { server, proxy, bytes, asked, stored } = await setUp();
  const list = await server.request('/streams/v1/images.json', { scheme: 'http' });
  expect(Object.keys((list.json() as { products: object }).products)).toEqual([product]);
  expect({ asked: asked(), stored: await stored() }).toEqual({ asked: 0, stored: false });
  const head = await server.request(root, { scheme: 'http', method: 'HEAD' });
  expect(head).toMatchObject({ status: 200, headers: { 'content-length': String(bytes.length) } });
  expect(asked()).toBe(0);

  const first = await server.request(root, { scheme: 'http' });
  expect({ status: first.status, same: first.body.equals(bytes) }).toEqual({ status: 200, same: true });
  await until('the file is in the store', stored);
  await proxy.refuse();
  const second = await server.request(root, { scheme: 'http' });
  expect({ status: second.status, same: second.body.equals(bytes) }).toEqual({ status: 200, same: true });
  expect(asked()).toBe(1);
});

test('clients of a crowd get the same bytes of one request to the upstream, whole or in ranges', async () => {
  const { server, bytes, asked } = await setUp();
  const ranges = [undefined, [0, 0], [1000, 99_999], [1_500_000, bytes.length - 1]] as const;
  const answers = await Promise.all(
    Array.from({ length: 24 }, async (_, index) => {
      const range = ranges[index % ranges.length];
      const headers = range === undefined ? {} : { range: `bytes=${range[0]}-${range[1]}` };
      const { status, body } = await server.request(root, { scheme: 'http', headers });
      const wanted = range === undefined ? bytes : bytes.subarray(range[0], range[1] + 1);
      return status === (range === undefined ? 200 : 206) && body.equals(wanted);
    }),
  );
  expect(answers).toEqual(Array.from({ length: 24 }, () => true));
  expect(asked()).toBe(1);
});

test('bytes go out as they arrive, and a client that leaves does not stop the others', async () => {
  const { server, proxy, bytes, isRoot, asked, stored } = await setUp();
  proxy.inject({ do: { kind: 'hold-answer', after: 1_000_000 }, ...isRoot });
  const first = await Client.ask(server, root);
  expect(first.response.headers['content-length']).toBe(String(bytes.length));
  await first.received(800_000);
  const second = await Client.ask(server, root);
  await second.received(800_000);
  const ahead = Client.ask(server, root, { range: 'bytes=1900000-' });
  first.leave();
  proxy.release();
  const whole = await second.end();
  expect({ complete: whole.complete, same: whole.bytes.equals(bytes) }).toEqual({
    complete: true,
    same: true,
  });
  expect((await (await ahead).end()).bytes.equals(bytes.subarray(1_900_000))).toBe(true);
  await until('the file is in the store', stored);
  expect(asked()).toBe(1);
});

test('an upstream that takes its time keeps no client waiting for the headers', async () => {
  const { server, proxy, bytes, isRoot } = await setUp();
  proxy.inject({ do: { kind: 'hold-answer', after: 0 }, ...isRoot });
  const client = await Client.ask(server, root);
  expect(client.response.statusCode).toBe(200);
  proxy.release();
  expect((await client.end()).bytes.equals(bytes)).toBe(true);
});

test('a file is fetched to its end also when all clients have left', async () => {
  const { server, proxy, isRoot, asked, stored } = await setUp();
  proxy.inject({ do: { kind: 'hold-answer', after: 1_000_000 }, ...isRoot });
  const client = await Client.ask(server, root);
  await client.received(500_000);
  client.leave();
  proxy.release();
  await until('the file is in the store', stored);
  expect(asked()).toBe(1);
});

test('an upstream that breaks, again and again, is resumed behind the back of the client', async () => {
  const { server, proxy, bytes, isRoot } = await setUp();
  proxy.inject({ do: { kind: 'cut-answer', after: 600_000 }, ...isRoot, times: 3 });
  const client = await Client.ask(server, root);
  const { bytes: came, complete } = await client.end();
  expect({ complete, same: came.equals(bytes) }).toEqual({ complete: true, same: true });
  const ranges = proxy.requests.filter(isRoot.when).map(({ headers }) => headers['range']);
  expect(ranges).toEqual([
    undefined,
    ...Array.from({ length: 3 }, () => expect.stringMatching(/^bytes=\d+-$/)),
  ]);
});

test('wrong bytes end the answer as broken, are not kept, and are not asked for again at once', async () => {
  const { server, proxy, bytes, isRoot, asked, stored } = await setUp();
  proxy.inject({ do: { kind: 'corrupt-answer', at: 1_500_000 }, ...isRoot });
  const clients = await Promise.all([1, 2, 3].map(() => Client.ask(server, root)));
  for (const client of clients) {
    const { bytes: came, complete } = await client.end();
    expect({ complete, less: came.length < bytes.length }).toEqual({ complete: false, less: true });
  }
  expect({ asked: asked(), stored: await stored() }).toEqual({ asked: 1, stored: false });
  await expect.poll(() => readdir(join(server.config.dataDir, 'downloads/on-demand'))).toEqual([]);
  const again = await server.request(root, { scheme: 'http' });
  expect(again.status).toBe(503);
  expect(again.body.toString()).toMatch(/sent wrong bytes, and is not asked again for some minutes/);
  expect(asked()).toBe(1);
});

test('when the upstream is gone, what is not held is a 503 that says why, and what is held is served', async () => {
  const { server, proxy } = await setUp();
  const metadata = await server.request(`${base}/lxd.tar.xz`, { scheme: 'http' });
  expect(metadata.status).toBe(200);
  await proxy.refuse();
  const missing = await server.request(root, { scheme: 'http' });
  expect(missing.status).toBe(503);
  expect(missing.body.toString()).toMatch(/mirror test: .*ECONNREFUSED/);
  const held = await server.request(`${base}/lxd.tar.xz`, { scheme: 'http' });
  expect({ status: held.status, same: held.body.equals(metadata.body) }).toEqual({ status: 200, same: true });
  expect((await server.request('/streams/v1/images.json', { scheme: 'http' })).status).toBe(200);
});

test('a file that the upstream no longer has is a 503 at once', async () => {
  const { server, proxy, isRoot } = await setUp();
  proxy.inject({ do: { kind: 'answer', status: 404 }, ...isRoot });
  const answer = await server.request(root, { scheme: 'http' });
  expect(answer.status).toBe(503);
  expect(answer.body.toString()).toMatch(/answered 404/);
});

test('what arrived before the server stopped is not fetched again', async () => {
  const { server, proxy, mirror, bytes, isRoot } = await setUp();
  proxy.inject({ do: { kind: 'hold-answer', after: 1_000_000 }, ...isRoot, times: 1 });
  const client = await Client.ask(server, root);
  await client.received(800_000);
  await server.server.close();
  expect((await client.end()).complete).toBe(false);
  proxy.reset();
  const next = await TestServer.start({ tls: 'off', dataDir: server.config.dataDir }, [mirror]);
  const { body } = await next.request(root, { scheme: 'http' });
  expect(body.equals(bytes)).toBe(true);
  const [request] = proxy.requests.filter(isRoot.when);
  expect(Number(/^bytes=(\d+)-$/.exec(request?.headers['range'] ?? '')?.[1])).toBeGreaterThan(800_000);
});

test('what is held is let go when it is too much, and fetched anew when somebody asks', async () => {
  const { server, bytes, asked, stored } = await setUp({ cache: { size: 1_000_000 } });
  expect((await server.request(root, { scheme: 'http' })).body.equals(bytes)).toBe(true);
  const fetching = join(server.config.dataDir, 'downloads/on-demand');
  await until('the fetch is over', async () => (await readdir(fetching)).length === 0);
  await until('it is dropped', async () => !(await stored()));
  expect((await server.request(root, { scheme: 'http' })).body.equals(bytes)).toBe(true);
  expect(asked()).toBe(2);
});

/** A mirror on demand of two images, in a running server that looks for what to drop every second. */
async function setUpTwo(cache: NonNullable<MirrorDefinition['cache']>) {
  const upstream = await TestUpstream.start();
  const releases = ['bookworm', 'trixie'] as const;
  for (const release of releases)
    await upstream.offer(`debian:${release}:amd64:default`, '20260101_0000', { size: 2_000_000 });
  const mirror = definition(upstream.url, { mode: 'on-demand', cache });
  const server = await TestServer.start({ tls: 'off', gracePeriod: '1s' }, [mirror]);
  const parts = { ...server.workspace, dataDir: server.config.dataDir };
  expect((await runMirror(mirror, parts, { cause: 'manual' })).report.added).toBe(2);
  const path = (release: string) => `images/debian/${release}/amd64/default/20260101_0000/rootfs.squashfs`;
  const get = async (release: string) =>
    (await server.request(`/${path(release)}`, { scheme: 'http' })).body.equals(
      upstream.files.get(path(release)) ?? Buffer.alloc(0),
    );
  const asked = (release: string) =>
    upstream.requests.filter((request) => request.includes(path(release))).length;
  const isHeld = async (release: string) =>
    (await parts.store.stat(parseDigest(upstream.digestOf(path(release))))) !== undefined;
  return { server, get, asked, isHeld };
}

test('a running server drops what nobody has asked for longest, when the total is too much', async () => {
  const { get, asked, isHeld } = await setUpTwo({ size: 3_000_000 });
  expect(await get('bookworm')).toBe(true);
  await until('the first is held', () => isHeld('bookworm'));
  expect(await get('trixie')).toBe(true);
  await until('the first is dropped', async () => !(await isHeld('bookworm')));
  expect(await isHeld('trixie')).toBe(true);
  expect(await get('trixie')).toBe(true);
  expect([asked('bookworm'), asked('trixie')]).toEqual([1, 1]);
});

test('a running server drops what nobody has asked for in a while; it stays listed', async () => {
  const { server, get, asked, isHeld } = await setUpTwo({ age: 2000 });
  expect(await get('bookworm')).toBe(true);
  await until('it is held', () => isHeld('bookworm'));
  await until('it is dropped', async () => !(await isHeld('bookworm')));
  await announced(server);
  expect(await get('bookworm')).toBe(true);
  expect([asked('bookworm'), asked('trixie')]).toEqual([2, 0]);
});
