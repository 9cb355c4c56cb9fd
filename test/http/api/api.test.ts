import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { beforeAll, expect, test } from 'vitest';
import type { Published } from '../../../src/publish/request.ts';
import { TestServer } from '../../support/server.ts';
import { makeSmallImage, type SmallImage } from '../../support/small-images.ts';

let image: SmallImage;
let metadata: Buffer;
let root: Buffer;

beforeAll(async () => {
  image = await makeSmallImage();
  metadata = await readFile(image.metadata);
  root = await readFile(image.root);
});

const digestOf = (bytes: Buffer) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
const blobPath = (bytes: Buffer) => `/api/v1/blobs/${digestOf(bytes)}`;

async function upload(server: TestServer, token: string): Promise<void> {
  for (const body of [metadata, root]) {
    expect((await server.request(blobPath(body), { method: 'PUT', token, body })).status).toBe(201);
  }
}

async function publishVersion(server: TestServer, token: string, said: Record<string, unknown> = {}) {
  const files = [{ digest: digestOf(metadata) }, { digest: digestOf(root) }];
  return await server.request('/api/v1/versions', {
    method: 'POST',
    token,
    body: JSON.stringify({ files, ...said }),
  });
}

test('blobs first, then the version: it is served before the answer is', async () => {
  const server = await TestServer.start();
  const token = await server.token(['publish']);
  await upload(server, token);
  const answer = await publishVersion(server, token, {
    aliases: ['stable'],
    requirements: { nesting: 'true' },
  });
  expect(answer.status).toBe(201);
  const published = answer.json() as Published;
  expect(published).toMatchObject({
    outcome: 'created',
    product: 'debian:bookworm:amd64:default',
    serial: '20260101_0000',
    images: [{ type: 'container', fingerprint: digestOf(Buffer.concat([metadata, root])).slice(7) }],
  });
  const document = (await server.request('/streams/v1/images.json')).body.toString();
  expect(document).toContain('20260101_0000');
  expect((await publishVersion(server, token)).status).toBe(200);
  const found = await server.request(`/api/v1/images/${published.images[0]?.fingerprint.slice(0, 12)}`);
  expect(found.json()).toMatchObject({ images: [{ product: published.product, serial: published.serial }] });
});

test('a blob that is there is not sent again', async () => {
  const server = await TestServer.start();
  const token = await server.token(['publish']);
  const absent = await server.request(blobPath(root), { method: 'HEAD', token });
  expect([absent.status, absent.headers['upload-offset']]).toEqual([404, '0']);
  await upload(server, token);
  const present = await server.request(blobPath(root), { method: 'HEAD', token });
  expect([present.status, present.headers['blob-size']]).toEqual([200, String(root.length)]);
  expect((await server.request(blobPath(root), { method: 'PUT', token, body: root })).status).toBe(200);
});

/** Sends the beginning of an upload over a connection that then breaks. */
async function breakUpload(server: TestServer, token: string, bytes: number): Promise<void> {
  const socket = connect({ port: server.server.port, host: '127.0.0.1', rejectUnauthorized: false });
  await new Promise((resolve) => socket.once('secureConnect', resolve));
  socket.write(
    `PUT ${blobPath(root)} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Length: ${root.length}\r\n\r\n`,
  );
  await new Promise((resolve) => socket.write(root.subarray(0, bytes), resolve));
  await expect
    .poll(
      async () => (await server.request(blobPath(root), { method: 'HEAD', token })).headers['upload-offset'],
    )
    .toBe(String(bytes));
  socket.destroy();
}

test('a broken upload goes on from the offset that the server reports', async () => {
  const server = await TestServer.start();
  const token = await server.token(['publish']);
  const offset = 100_000;
  await breakUpload(server, token, offset);
  const range = (start: number) => ({ 'content-range': `bytes ${start}-${root.length - 1}/${root.length}` });
  const put = (start: number) =>
    server.request(blobPath(root), {
      method: 'PUT',
      token,
      headers: range(start),
      body: root.subarray(start),
    });
  // The server may still be busy with noticing that the first connection broke.
  await expect
    .poll(async () => (await put(offset - 1)).headers['upload-offset'], { timeout: 5000 })
    .toBe(String(offset));
  expect((await put(offset)).status).toBe(201);
  await server.request(blobPath(metadata), { method: 'PUT', token, body: metadata });
  expect((await publishVersion(server, token)).status).toBe(201);
});

test('wrong bytes are refused and nothing of them stays', async () => {
  const server = await TestServer.start();
  const token = await server.token(['publish']);
  const other = Buffer.from(root);
  other[root.length - 1000] = (other[root.length - 1000] ?? 0) ^ 1;
  const damaged = await server.request(blobPath(root), { method: 'PUT', token, body: other });
  expect(damaged.status).toBe(422);
  expect(damaged.body.toString()).toContain('was announced');
  const noise = Buffer.from('this is no image file');
  const nonsense = await server.request(blobPath(noise), { method: 'PUT', token, body: noise });
  expect(nonsense.status).toBe(422);
  const short = await server.request(blobPath(root), {
    method: 'PUT',
    token,
    headers: { 'content-range': `bytes 0-${root.length}/${root.length + 1}` },
    body: Buffer.concat([root, Buffer.from('x')]),
  });
  expect(short.status).toBe(422);
  const head = await server.request(blobPath(root), { method: 'HEAD', token });
  expect([head.status, head.headers['upload-offset']]).toEqual([404, '0']);
  expect(await readdir(join(server.config.dataDir, 'uploads'))).toEqual([]);
  expect((await publishVersion(server, token)).status).toBe(404);
});

test('a blob over the limit is refused', async () => {
  const server = await TestServer.start({ limits: { uploadSize: '1KiB' } });
  const token = await server.token(['publish']);
  const { status, body } = await server.request(blobPath(root), { method: 'PUT', token, body: root });
  expect(status).toBe(413);
  expect(body.toString()).toContain('limits.uploadSize');
});

test('who may do what', async () => {
  const server = await TestServer.start();
  const publisher = await server.token(['publish'], ['images']);
  const elsewhere = await server.token(['publish'], ['other']);
  const reader = await server.token(['read']);
  const admin = await server.token(['admin']);
  await upload(server, publisher);
  expect((await publishVersion(server, elsewhere)).status).toBe(403);
  expect((await publishVersion(server, reader)).status).toBe(403);
  expect((await server.request('/api/v1/versions', { method: 'POST', body: '{}' })).status).toBe(401);
  expect((await server.request(blobPath(root), { method: 'PUT', body: root })).status).toBe(401);
  expect((await publishVersion(server, publisher)).status).toBe(201);
  const version = '/api/v1/products/debian:bookworm:amd64:default/versions/20260101_0000';
  expect((await server.request(version, { method: 'DELETE' })).status).toBe(401);
  expect((await server.request(version, { method: 'DELETE', token: publisher })).status).toBe(403);
  expect((await server.request('/api/v1/tokens', { token: publisher })).status).toBe(403);
  expect((await server.request('/api/v1/tokens', { token: admin })).status).toBe(200);
  expect((await server.request(version, { method: 'DELETE', token: admin })).status).toBe(204);
  expect((await server.request(version, { method: 'DELETE', token: admin })).status).toBe(404);
});

test('products are listed a page at a time', async () => {
  const server = await TestServer.start();
  const token = await server.token(['publish']);
  await upload(server, token);
  await publishVersion(server, token);
  for (const variant of ['b', 'c']) {
    const { draft, stored, testActor } = await import('../../support/catalog.ts');
    const product = { os: 'debian', release: 'bookworm', architecture: 'amd64', variant };
    await server.workspace.catalog.by(testActor).versions.publish(draft({ product }), stored);
  }
  const names: string[] = [];
  let after = '';
  for (let page = 0; page < 3; page++) {
    const answer = (await server.request(`/api/v1/products?limit=1${after}`)).json() as {
      products: { name: string }[];
      next?: string;
    };
    names.push(...answer.products.map(({ name }) => name));
    after = `&after=${answer.next}`;
  }
  expect(names).toEqual(['b', 'c', 'default'].map((variant) => `debian:bookworm:amd64:${variant}`));
  const one = (await server.request('/api/v1/products?variant=c')).json() as { products: unknown[] };
  expect(one.products).toHaveLength(1);
  expect((await server.request('/api/v1/products?limit=0')).status).toBe(422);
});

test('aliases are moved in one step, and only to what is there', async () => {
  const server = await TestServer.start();
  const token = await server.token(['publish']);
  await upload(server, token);
  await publishVersion(server, token);
  const put = (release: string) =>
    server.request('/api/v1/aliases/team%2Fapp', {
      method: 'PUT',
      token,
      body: JSON.stringify({ os: 'debian', release, variant: 'default' }),
    });
  expect((await put('trixie')).status).toBe(404);
  expect((await put('bookworm')).status).toBe(204);
  const byAlias = (await server.request('/api/v1/products?alias=team%2Fapp')).json() as {
    products: unknown[];
  };
  expect(byAlias.products).toHaveLength(1);
  expect((await server.request('/streams/v1/images.json')).body.toString()).toContain('team/app');
  expect((await server.request('/api/v1/aliases/team%2Fapp', { method: 'DELETE', token })).status).toBe(204);
  expect((await server.request('/api/v1/aliases/team%2Fapp', { method: 'DELETE', token })).status).toBe(404);
});

test('a token made over the API works until it is revoked over the API', async () => {
  const server = await TestServer.start();
  const admin = await server.token(['admin']);
  const made = await server.request('/api/v1/tokens', {
    method: 'POST',
    token: admin,
    body: JSON.stringify({ name: 'ci', actions: ['publish'], streams: ['images'] }),
  });
  expect(made.status).toBe(201);
  const { secret } = made.json() as { secret: string };
  expect((await server.request(blobPath(root), { method: 'HEAD', token: secret })).status).toBe(404);
  expect((await server.request('/api/v1/tokens/ci', { method: 'DELETE', token: admin })).status).toBe(204);
  expect((await server.request(blobPath(root), { method: 'HEAD', token: secret })).status).toBe(401);
});

test('a body that is wrong says which field', async () => {
  const server = await TestServer.start();
  const token = await server.token(['publish']);
  const post = (body: string) => server.request('/api/v1/versions', { method: 'POST', token, body });
  expect((await post('nonsense')).body.toString()).toContain('not JSON');
  const wrong = await post(JSON.stringify({ files: [], colour: 'red' }));
  expect(wrong.status).toBe(422);
  expect(wrong.body.toString()).toMatch(/files: .*colour/);
  expect(wrong.json()).toMatchObject({ error: { fields: ['files'] } });
  expect((await post(`"${'x'.repeat(2 ** 20)}"`)).status).toBe(413);
});

test('an error names the fields that it is about, and no others', async () => {
  const server = await TestServer.start();
  const token = await server.token(['publish', 'admin']);
  await upload(server, token);
  const fieldsOf = async (request: ReturnType<TestServer['request']>) => {
    const { error } = (await request).json() as { error: { fields?: string[] } };
    return error.fields;
  };
  expect(await fieldsOf(publishVersion(server, token, { architecture: 'arm64' }))).toEqual(['architecture']);
  expect(await fieldsOf(publishVersion(server, token, { serial: 'v7' }))).toEqual(['serial']);
  expect(await fieldsOf(publishVersion(server, token, { os: 7, aliases: [1, 2] }))).toEqual([
    'os',
    'aliases',
  ]);
  const send = (method: string, path: string, body: object) =>
    server.request(`/api/v1/${path}`, { method, token, body: JSON.stringify(body) });
  const family = { os: 'debian', release: 'bookworm', variant: 'default' };
  expect(await fieldsOf(send('PUT', 'aliases/a', { ...family, release: 'a b' }))).toEqual(['release']);
  expect(await fieldsOf(send('PUT', 'aliases/a', { ...family, stream: 'a b' }))).toEqual(['stream']);
  expect(await fieldsOf(send('POST', 'tokens', { name: 'a', names: ['a b'] }))).toEqual(['names']);
  expect(await fieldsOf(send('POST', 'tokens', { name: 'a', streams: ['a b'] }))).toEqual(['streams']);
  expect(await fieldsOf(send('POST', 'tokens', { name: 'a', role: 'read', actions: ['read'] }))).toEqual([
    'role',
    'actions',
  ]);
  expect(await fieldsOf(server.request('/api/v1/products?limit=none', { token }))).toEqual(['limit']);
  expect(await fieldsOf(server.request('/api/v1/audit?since=then', { token }))).toEqual(['since']);
  expect(await fieldsOf(server.request('/api/v1/products/none', { token }))).toBeUndefined();
});

test('the OpenAPI document is served', async () => {
  const server = await TestServer.start();
  expect((await server.request('/api/v1/openapi.json')).json()).toMatchObject({ openapi: '3.1.0' });
});

test('what a killed server left of an upload goes at the next start when its uploader has sent the blob', async () => {
  const server = await TestServer.start();
  const { secret } = await server.workspace.catalog.tokens.create({ name: 'ci', actions: ['publish'] });
  await upload(server, secret);
  const ofToken = (name: string) => createHash('sha256').update(`token:${name}`).digest('hex').slice(0, 32);
  const digest = digestOf(root).slice('sha256:'.length);
  const kept = `${digest}-${ofToken('ci')}`;
  // That the blob exists must not show to another uploader.
  const other = `${digest}-${ofToken('another')}`;
  const directory = join(server.config.dataDir, 'uploads');
  await mkdir(directory, { recursive: true });
  for (const name of [kept, other]) await writeFile(join(directory, name), 'what arrived');
  await TestServer.start({ dataDir: server.config.dataDir });
  await expect.poll(() => readdir(directory), { timeout: 10_000 }).toEqual([other]);
});

test('a method that a path does not take is refused as every error is', async () => {
  const server = await TestServer.start();
  const answer = await server.request('/api/v1/products', { method: 'PUT' });
  expect(answer.status).toBe(405);
  expect(answer.headers['allow']).toContain('GET');
  expect(answer.json()).toMatchObject({ error: { kind: 'usage', message: expect.stringContaining('PUT') } });
});
