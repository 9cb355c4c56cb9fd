import { readFile } from 'node:fs/promises';
import { beforeAll, expect, test } from 'vitest';
import { TestServer } from '../../support/server.ts';
import { makeSmallImage, type SmallImage } from '../../support/small-images.ts';

const name = 'debian:bookworm:amd64:default';
const serial = '20260101_0000';
const builds = new Map<string, SmallImage>();

beforeAll(async () => {
  for (const stream of ['nightly', 'stable']) builds.set(stream, await makeSmallImage());
});

const buildOf = (stream: string): SmallImage => {
  const build = builds.get(stream);
  if (build === undefined) throw new Error(`there is no build for ${stream}`);
  return build;
};

/** A server with the same product and serial in two streams, built from different files. */
async function serverWithBoth(streams: Record<string, { public: boolean }> = {}): Promise<TestServer> {
  const server = await TestServer.start({ streams });
  for (const stream of ['nightly', 'stable']) await publishInto(server, stream, buildOf(stream));
  return server;
}

async function publishInto(server: TestServer, stream: string, image: SmallImage) {
  const files = [image.metadata, image.root].map((path) => ({ from: 'disk' as const, name: path, path }));
  return await server.publish({ files, stream });
}

interface Listed {
  products: Record<
    string,
    { aliases: string; versions: Record<string, { items: Record<string, { path: string }> }> }
  >;
}

test('the document of each stream lists the product of the stream, with files of its own', async () => {
  const server = await serverWithBoth();
  const paths = new Map<string, string>();
  for (const stream of ['nightly', 'stable']) {
    // The server notices what was published beside it.
    await expect.poll(async () => (await server.request(`/streams/v1/${stream}.json`)).status).toBe(200);
    const document = (await server.request(`/streams/v1/${stream}.json`)).json() as Listed;
    expect(Object.keys(document.products)).toEqual([name]);
    expect(document.products[name]?.aliases).toBe('debian/bookworm,debian/bookworm/default');
    const path = document.products[name]?.versions[serial]?.items['squashfs']?.path ?? '';
    const { body } = await server.request(`/${path}`);
    expect(body.equals(await readFile(buildOf(stream).root))).toBe(true);
    paths.set(stream, path);
  }
  const plain = `images/debian/bookworm/amd64/default/${serial}/rootfs.squashfs`;
  expect(paths).toEqual(
    new Map([
      ['nightly', plain],
      ['stable', plain.replace('images/', 'images/stable/')],
    ]),
  );
  const missing = await server.request(`/${plain.replace('images/', 'images/nightly/')}`);
  expect(missing.status).toBe(404);
});

test('a file of a private stream is not found under either path by those who may not read it', async () => {
  const server = await serverWithBoth({ stable: { public: false } });
  const path = `/images/stable/debian/bookworm/amd64/default/${serial}/rootfs.squashfs`;
  expect((await server.request(path)).status).toBe(404);
  const token = await server.token(['read'], ['stable']);
  expect((await server.request(path, { token })).body.equals(await readFile(buildOf('stable').root))).toBe(
    true,
  );
  expect((await server.request('/streams/v1/stable.json')).status).toBe(404);
});

test('the LXD API resolves an alias of several streams to the newest version that the client may see', async () => {
  const server = await serverWithBoth({ nightly: { public: false } });
  const later = await makeSmallImage({ serial: '20260102_0000' });
  const { images } = await publishInto(server, 'nightly', later);
  const token = await server.token(['read'], ['nightly']);
  const target = async (path: string, credentials: { token?: string }) =>
    ((await server.request(path, credentials)).json() as { metadata: { target: string } }).metadata.target;
  const path = '/1.0/images/aliases/debian%2Fbookworm';
  const newest = images[0]?.fingerprint;
  expect(newest).toMatch(/^[0-9a-f]{64}$/);
  expect(await target(path, { token })).toBe(newest);
  expect(await target(path, {})).not.toBe(newest);
  const list = (await server.request('/1.0/images/aliases', { token })).json() as { metadata: string[] };
  expect(list.metadata.filter((alias) => alias === path)).toHaveLength(1);
});

test('the API tells products and aliases of one name apart by the stream', async () => {
  const server = await serverWithBoth();
  const token = await server.token(['publish', 'remove']);
  const call = async (method: string, path: string, body?: object) => {
    const headers = { 'content-type': 'application/json' };
    const sent = body === undefined ? {} : { headers, body: JSON.stringify(body) };
    const { status, body: bytes } = await server.request(`/api/v1/${path}`, { method, token, ...sent });
    return { status, text: bytes.toString() };
  };
  const ambiguous = await call('GET', `products/${name}`);
  expect(ambiguous.status).toBe(409);
  expect(ambiguous.text).toContain(`nightly/${name} or stable/${name}`);
  expect((await call('GET', `products/${name}?stream=stable`)).text).toContain('"stream":"stable"');
  const both = JSON.parse((await call('GET', `products?name=${name}`)).text) as {
    products: { stream: string }[];
  };
  expect(both.products.map(({ stream }) => stream)).toEqual(['nightly', 'stable']);
  const first = JSON.parse((await call('GET', 'products?limit=1')).text) as {
    products: object[];
    next: string;
  };
  expect(first).toMatchObject({ products: [{ stream: 'nightly' }], next: `nightly/${name}` });
  const second = JSON.parse((await call('GET', `products?limit=1&after=${first.next}`)).text) as typeof first;
  expect(second.products).toMatchObject([{ stream: 'stable' }]);
  expect((await call('GET', `products?after=${name}`)).text).toBe('{"products":[]}');

  const family = { os: 'debian', release: 'bookworm', variant: 'default' };
  expect((await call('PUT', 'aliases/tested', family)).status).toBe(409);
  expect((await call('PUT', 'aliases/tested', { ...family, stream: 'stable' })).status).toBe(204);
  expect((await call('DELETE', 'aliases/debian%2Fbookworm')).status).toBe(409);
  expect((await call('DELETE', 'aliases/debian%2Fbookworm?stream=nightly')).status).toBe(204);
  expect((await call('DELETE', `products/${name}/versions/${serial}`)).status).toBe(409);
  expect((await call('DELETE', `products/${name}/versions/${serial}?stream=nightly`)).status).toBe(204);
  const { aliases } = JSON.parse((await call('GET', 'aliases')).text) as {
    aliases: { name: string; stream: string }[];
  };
  expect(aliases.map((alias) => `${alias.stream} ${alias.name}`)).toEqual([
    'stable debian/bookworm',
    'stable debian/bookworm/default',
    'stable tested',
  ]);
});
