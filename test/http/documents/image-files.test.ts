import { appendFile, readFile, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { TestServer } from '../../support/server.ts';
import { makeSmallImage, type SmallImage } from '../../support/small-images.ts';

let image: SmallImage;
let root: Buffer;
const path = '/images/debian/bookworm/amd64/default/20260101_0000/rootfs.squashfs';

beforeAll(async () => {
  image = await makeSmallImage();
  root = await readFile(image.root);
});

async function serverWithImage(...settings: Parameters<typeof TestServer.start>): Promise<TestServer> {
  const server = await TestServer.start(...settings);
  await publishImage(server);
  return server;
}

async function publishImage(server: TestServer): Promise<void> {
  await server.publish({
    files: [image.metadata, image.root].map((file) => ({ from: 'disk', name: file, path: file })),
  });
}

test('a file is served whole, to be kept for ever, under its digest', async () => {
  const server = await serverWithImage();
  const { status, headers, body } = await server.request(path, { headers: { 'accept-encoding': 'gzip' } });
  expect(status).toBe(200);
  expect(body.equals(root)).toBe(true);
  expect(headers).toMatchObject({
    'content-length': String(root.length),
    'content-type': 'application/octet-stream',
    'accept-ranges': 'bytes',
    'cache-control': 'public, max-age=31536000, immutable',
    'access-control-allow-origin': '*',
  });
  expect(headers['etag']).toMatch(/^"[0-9a-f]{64}"$/);
  expect(headers).not.toHaveProperty('content-encoding');
  const head = await server.request(path, { method: 'HEAD' });
  expect(head.status).toBe(200);
  expect(head.headers['content-length']).toBe(String(root.length));
  expect(head.body).toHaveLength(0);
});

test('both families of clients find the metadata under their name', async () => {
  const server = await serverWithImage();
  const metadata = await readFile(image.metadata);
  for (const name of ['lxd.tar.xz', 'incus.tar.xz']) {
    const { body } = await server.request(path.replace('rootfs.squashfs', name));
    expect(body.equals(metadata)).toBe(true);
  }
});

test('any range gives those bytes', async () => {
  const server = await serverWithImage();
  const position = fc.integer({ min: 0, max: root.length - 1 });
  await fc.assert(
    fc.asyncProperty(position, position, async (one, other) => {
      const [start, end] = [Math.min(one, other), Math.max(one, other)];
      const { status, headers, body } = await server.request(path, {
        headers: { range: `bytes=${start}-${end}` },
      });
      expect(status).toBe(206);
      expect(headers['content-range']).toBe(`bytes ${start}-${end}/${root.length}`);
      expect(body.equals(root.subarray(start, end + 1))).toBe(true);
    }),
    { numRuns: 25 },
  );
});

test('ranges are understood as RFC 9110 has them', async () => {
  const server = await serverWithImage();
  const get = (range: string, more: Record<string, string> = {}) =>
    server.request(path, { headers: { range, ...more } });
  const last = await get('bytes=-10');
  expect(last.body.equals(root.subarray(-10))).toBe(true);
  const open = await get(`bytes=${root.length - 5}-`);
  expect(open.body.equals(root.subarray(-5))).toBe(true);
  const beyond = await get(`bytes=${root.length}-`);
  expect(beyond.status).toBe(416);
  expect(beyond.headers['content-range']).toBe(`bytes */${root.length}`);
  expect((await get('lines=1-2')).status).toBe(200);
  expect((await get('bytes=0-0,5-6')).status).toBe(200);
  const { headers } = await server.request(path, { method: 'HEAD' });
  expect((await get('bytes=0-9', { 'if-range': headers['etag'] ?? '' })).status).toBe(206);
  expect((await get('bytes=0-9', { 'if-range': '"other"' })).status).toBe(200);
  expect((await get('bytes=0-9', { 'if-range': headers['last-modified'] ?? '' })).status).toBe(206);
});

test('a client that has the file gets 304', async () => {
  const server = await serverWithImage();
  const { headers } = await server.request(path, { method: 'HEAD' });
  const again = await server.request(path, { headers: { 'if-none-match': headers['etag'] ?? '' } });
  expect(again.status).toBe(304);
  expect(again.body).toHaveLength(0);
});

test('double slashes, percent-encoding and serials with a colon lead to the file', async () => {
  const server = await serverWithImage();
  for (const same of [
    path.replaceAll('/', '//'),
    path.replace('amd64', '%61md64'),
    path.replace('20260101_0000', '20260101_00:00'),
    path.replace('20260101_0000', '20260101_00%3A00'),
    `${path}?query=1`,
  ]) {
    expect((await server.request(same, { method: 'HEAD' })).status, same).toBe(200);
  }
});

test('anything else is 404', async () => {
  const server = await serverWithImage();
  for (const other of [
    '/images',
    '/images/',
    path.replace('rootfs.squashfs', 'other'),
    path.replace('20260101_0000', '20260102_0000'),
    `${path}/more`,
    '/images/../catalog.db',
    '/images/%2e%2e/%2e%2e/catalog.db',
    '/images/debian%2Fbookworm/amd64/default/20260101_0000/rootfs.squashfs',
    '/images/%zz',
    '/catalog.db',
  ]) {
    expect((await server.request(other)).status, other).toBe(404);
  }
  expect((await server.request(path, { method: 'DELETE' })).status).toBe(405);
});

test('plain HTTP on the same port gives image files, and sends everything else to https', async () => {
  const server = await serverWithImage();
  const plain = await server.request(path, { scheme: 'http' });
  expect(plain.status).toBe(200);
  expect(plain.body.equals(root)).toBe(true);
  const head = await server.request(path, { scheme: 'http', method: 'HEAD' });
  expect([head.status, head.headers['content-length']]).toEqual([200, String(root.length)]);
  for (const target of ['/streams/v1/index.json', '/api/v1/products', '/metrics', `${path}x`]) {
    const { status, headers } = await server.request(target, { scheme: 'http' });
    expect(status).toBe(308);
    expect(headers['location']).toBe(server.url(target));
  }
  expect((await server.request(path, { scheme: 'http', method: 'PUT' })).status).toBe(308);
});

test('a private stream is not there for anybody without a token, and never over plain HTTP', async () => {
  const server = await TestServer.start({ streams: { secret: { public: false } } });
  const files = [image.metadata, image.root].map((file) => ({
    from: 'disk' as const,
    name: file,
    path: file,
  }));
  await server.publish({ files, stream: 'secret' });
  const token = await server.token(['read'], ['secret']);
  const other = await server.token(['read'], ['images']);
  const shown = async () => (await server.request('/streams/v1/secret.json', { token })).status;
  await expect.poll(shown, { timeout: 5000 }).toBe(200);
  for (const target of [path, '/streams/v1/secret.json']) {
    expect((await server.request(target)).status).toBe(404);
    expect((await server.request(target, { token: other })).status).toBe(404);
    expect((await server.request(target, { token: 'wrong' })).status).toBe(401);
    const { status, headers } = await server.request(target, { token });
    expect(status).toBe(200);
    expect(headers['cache-control']).toContain('private');
    expect((await server.request(target, { token, scheme: 'http' })).status).toBe(308);
  }
  const basic = Buffer.from(`anybody:${token}`).toString('base64');
  expect((await server.request(path, { headers: { authorization: `Basic ${basic}` } })).status).toBe(200);
  const index = async (options: { token?: string }) =>
    (await server.request('/streams/v1/index.json', options)).body.toString();
  expect(await index({})).not.toContain('secret');
  expect(await index({ token })).toContain('secret');
});

describe('a blob that is damaged in the store', () => {
  const damages = {
    missing: (blob: string) => rm(blob),
    empty: (blob: string) => truncate(blob, 0),
    'too short': (blob: string) => truncate(blob, 1000),
    'too long': (blob: string) => appendFile(blob, 'x'),
  };
  for (const [damage, harm] of Object.entries(damages)) {
    test(`${damage}: is said before any byte, counted, and mended by publishing it again`, async () => {
      const server = await serverWithImage();
      const digest =
        (await server.request(path, { method: 'HEAD' })).headers['etag']?.replaceAll('"', '') ?? '';
      await harm(join(server.config.dataDir, 'blobs/sha256', digest.slice(0, 2), digest));
      const ranges = ['bytes=0-', 'bytes=0-9', 'bytes=2000-2999', 'bytes=-1'];
      for (const headers of [{}, ...ranges.map((range) => ({ range }))]) {
        const answer = await server.request(path, { headers });
        expect(answer.status).toBe(503);
        for (const name of ['etag', 'last-modified', 'content-range', 'cache-control'])
          expect(answer.headers).not.toHaveProperty(name);
        expect(answer.json()).toEqual({
          error: { kind: 'unavailable', message: expect.stringContaining(`blob sha256:${digest} `) },
        });
        expect(answer.body.toString()).toContain('publish the same file again');
      }
      const metrics = (await server.request('/metrics')).body.toString();
      expect(metrics).toMatch(/^headwater_store_errors_total\{operation="read",kind="damaged"\} 5$/m);
      await publishImage(server);
      expect((await server.request(path)).body.equals(root)).toBe(true);
    });
  }
});

test('errors can be read by any page, and no answer but the file is kept for ever', async () => {
  const server = await serverWithImage();
  const missing = await server.request(`${path}x`);
  expect([missing.status, missing.headers['access-control-allow-origin']]).toEqual([404, '*']);
  const beyond = await server.request(path, { headers: { range: `bytes=${root.length}-` } });
  expect([beyond.status, beyond.headers['cache-control']]).toEqual([416, 'no-store']);
});
