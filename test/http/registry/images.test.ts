import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { readParts } from '../../../src/registry/incoming/multipart.ts';
import { ended, makeImage, multipart, upload } from '../../support/push-images.ts';
import { RegistryClient } from '../../support/registry-client.ts';
import { TestServer } from '../../support/server.ts';
import { makeSmallImage } from '../../support/small-images.ts';

test('an upload is answered with an operation that names the fingerprint, and is listed', async () => {
  const server = await TestServer.start();
  const client = await RegistryClient.joined(server);
  const image = await makeImage({ release: 'jammy' });
  const answer = await upload(client, image, {
    'x-lxd-properties': 'desc=a+b&foo=bar',
    'x-incus-aliases': 'alias=team%2Fapp',
  });
  expect(answer).toMatchObject({ status: 202, headers: { location: answer.operation } });
  expect(answer.metadata['metadata']).toHaveProperty('secret');
  const size = image.metadata.length + image.root.length;
  expect(await ended(client, answer)).toMatchObject({
    status: 'Success',
    metadata: { fingerprint: image.fingerprint, size: String(size) },
  });

  const { metadata: images } = await client.get('/1.0/images?recursion=1');
  expect(images).toEqual([
    expect.objectContaining({
      fingerprint: image.fingerprint,
      architecture: 'x86_64',
      type: 'container',
      size,
      public: false,
      properties: expect.objectContaining({
        os: 'Ubuntu',
        release: 'jammy',
        desc: 'a b',
        foo: 'bar',
      }) as unknown,
      aliases: [{ name: 'team/app', description: '' }],
      profiles: ['default'],
    }),
  ]);
  expect((await client.get('/1.0/images')).metadata).toEqual([`/1.0/images/${image.fingerprint}`]);
  const alias = await client.get('/1.0/images/aliases/team%2Fapp');
  expect(alias.metadata).toEqual({
    name: 'team/app',
    description: '',
    target: image.fingerprint,
    type: 'container',
  });
});

test('private images do not exist for strangers, in either protocol; public ones do', async () => {
  const server = await TestServer.start();
  const client = await RegistryClient.joined(server);
  const stranger = RegistryClient.anonymous(server);
  const image = await makeImage();
  await upload(client, image, { 'x-lxd-aliases': 'alias=app' });
  const fingerprint = image.fingerprint;
  const paths = [fingerprint, `${fingerprint}/export`, 'aliases/app'].map((path) => `/1.0/images/${path}`);
  for (const path of paths) expect((await stranger.get(path)).status, path).toBe(404);
  expect((await stranger.get('/1.0/images?recursion=1')).metadata).toEqual([]);
  expect((await stranger.get('/1.0/images/aliases?recursion=1')).metadata).toEqual([]);
  const document = async () => (await server.request('/streams/v1/pushed.json')).body.toString();
  expect(await document()).not.toContain(fingerprint);
  const file = await fileOf(server, fingerprint);
  expect((await server.request(file)).status).toBe(404);
  expect((await server.request(file, { scheme: 'http' })).status).not.toBe(200);

  const change = await client.request('PATCH', `/1.0/images/${fingerprint}`, { json: { public: true } });
  expect(change.status).toBe(200);
  expect((await stranger.get(`/1.0/images/${fingerprint}`)).metadata).toMatchObject({ public: true });
  expect((await stranger.get('/1.0/images/aliases/app')).metadata).toMatchObject({ target: fingerprint });
  expect(await document()).toContain(fingerprint);
  expect((await server.request(file)).status).toBe(200);
});

async function fileOf(server: TestServer, fingerprint: string): Promise<string> {
  const [image] = await server.workspace.catalog.images.find(fingerprint);
  const { os, release, architecture, variant } = image?.product ?? {};
  return `/images/${os}/${release}/${architecture}/${variant}/${image?.serial}/rootfs.squashfs`;
}

test('a secret opens one private image to whoever knows it, more than once', async () => {
  const server = await TestServer.start();
  const client = await RegistryClient.joined(server);
  const stranger = RegistryClient.anonymous(server);
  const [image, other] = [await makeImage(), await makeImage()];
  for (const each of [image, other]) await upload(client, each);
  const refused = await stranger.request('POST', `/1.0/images/${image.fingerprint}/secret`);
  expect(refused.status).toBe(404);
  const answer = await client.request('POST', `/1.0/images/${image.fingerprint}/secret`);
  expect(answer.metadata).toMatchObject({ class: 'token' });
  const secret = String((answer.metadata['metadata'] as Record<string, unknown>)['secret']);
  for (let round = 0; round < 2; round++) {
    const shown = await stranger.get(`/1.0/images/${image.fingerprint}?project=default&secret=${secret}`);
    expect(shown.metadata).toMatchObject({ fingerprint: image.fingerprint, public: false });
  }
  expect((await stranger.get(`/1.0/images/${other.fingerprint}?secret=${secret}`)).status).toBe(404);
  expect((await stranger.get(`/1.0/images/${image.fingerprint}?secret=${secret}x`)).status).toBe(404);
  expect(await exported(server, `/1.0/images/${image.fingerprint}/export?secret=${secret}`)).toBe(
    image.fingerprint,
  );
});

/** The fingerprint of what an export gives. */
async function exported(server: TestServer, path: string): Promise<string> {
  const { status, headers, body } = await server.request(path);
  expect(status).toBe(200);
  expect(Number(headers['content-length'])).toBe(body.length);
  const boundary = /boundary=(\w+)/.exec(headers['content-type'] ?? '')?.[1] ?? '';
  const hash = createHash('sha256');
  const names = [];
  const whole = (async function* () {
    yield body;
  })();
  for await (const { name, filename, bytes } of readParts(whole, boundary)) {
    names.push([name, filename.replace(/[0-9a-f]{64}/, 'FP')]);
    for await (const chunk of bytes) hash.update(chunk);
  }
  expect(names).toEqual([
    ['metadata', 'meta-FP.tar.xz'],
    ['rootfs', 'FP.squashfs'],
  ]);
  return hash.digest('hex');
}

test('edits are refused when somebody else edited in between', async () => {
  const server = await TestServer.start();
  const client = await RegistryClient.joined(server);
  const image = await makeImage();
  await upload(client, image);
  const path = `/1.0/images/${image.fingerprint}`;
  const etag = (await client.get(path)).headers['etag'] ?? '';
  const body = {
    auto_update: false,
    public: false,
    properties: { a: '1' },
    expires_at: '0001-01-01T00:00:00Z',
    profiles: null,
  };
  const edit = (headers: Record<string, string>) => client.request('PUT', path, { json: body, headers });
  const answers = await Promise.all([edit({ 'if-match': etag }), edit({ 'if-match': etag })]);
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 412]);
  expect((await edit({})).status).toBe(200);
  expect((await client.get(path)).metadata).toMatchObject({ properties: { a: '1' }, profiles: ['default'] });
});

test.each(['garbage', '2030-13-40', 'yesterday'])(
  'an expiry that is no time is refused: %s',
  async (wrong) => {
    const server = await TestServer.start();
    const client = await RegistryClient.joined(server);
    const image = await makeImage();
    await upload(client, image);
    const path = `/1.0/images/${image.fingerprint}`;
    const edit = (text: string) => client.request('PATCH', path, { json: { expires_at: text } });
    expect((await edit('2030-01-01T00:00:00Z')).status).toBe(200);
    expect(await edit(wrong)).toMatchObject({
      status: 400,
      error: expect.stringContaining(`expires_at "${wrong}": expected a time`) as unknown,
    });
    expect((await client.get(path)).metadata['expires_at']).toBe('2030-01-01T00:00:00.000Z');
    expect((await edit('0001-01-01T00:00:00Z')).status).toBe(200);
    expect((await client.get(path)).metadata['expires_at']).toBe('0001-01-01T00:00:00Z');
  },
);

test('the same image again is a success that changes nothing', async () => {
  const server = await TestServer.start();
  const client = await RegistryClient.joined(server);
  const image = await makeImage();
  const first = await ended(client, await upload(client, image, { 'x-lxd-aliases': 'alias=app' }));
  const again = await ended(client, await upload(client, image, { 'x-lxd-aliases': 'alias=app' }));
  expect(again['metadata']).toMatchObject({ fingerprint: image.fingerprint });
  expect(again['status']).toBe(first['status']);
  const [place, ...more] = await server.workspace.catalog.images.find(image.fingerprint);
  expect(more).toEqual([]);
  expect(place?.product.name).toBe('pushed:app:amd64:default');
});

test('published images are listed too, with the properties that documents give them', async () => {
  const server = await TestServer.start();
  const stranger = RegistryClient.anonymous(server);
  const { makeSmallImage } = await import('../../support/small-images.ts');
  const { metadata, root } = await makeSmallImage();
  await server.publish({
    files: [metadata, root].map((path) => ({ from: 'disk' as const, name: path, path })),
  });
  await expect
    .poll(async () => (await stranger.get('/1.0/images?recursion=1')).metadata)
    .toEqual([
      expect.objectContaining({
        public: true,
        properties: expect.objectContaining({
          os: 'debian',
          release: 'bookworm',
          serial: '20260101_0000',
        }) as unknown,
      }),
    ]);
  const alias = await stranger.get('/1.0/images/aliases/debian%2Fbookworm');
  expect(alias.metadata).toMatchObject({ type: 'container' });
  expect((await stranger.get('/1.0/images/aliases/debian%2Fbookworm%2Famd64')).status).toBe(200);
  expect((await stranger.get('/1.0/images/aliases/debian%2Fbookworm%2Farm64')).status).toBe(404);
});

test('deleting an image deletes its aliases, in both protocols', async () => {
  const server = await TestServer.start();
  const client = await RegistryClient.joined(server);
  const image = await makeImage();
  await upload(client, image, { 'x-lxd-public': 'true', 'x-lxd-aliases': 'alias=app' });
  const answer = await client.request('DELETE', `/1.0/images/${image.fingerprint}`);
  expect(await ended(client, answer)).toMatchObject({ status: 'Success' });
  expect((await client.get('/1.0/images/aliases/app')).status).toBe(404);
  expect((await server.request('/streams/v1/pushed.json')).body.toString()).not.toContain('app');
});

test.each([
  [
    'parts in the wrong order',
    (image: Awaited<ReturnType<typeof makeImage>>) =>
      multipart([
        ['rootfs', image.root],
        ['metadata', image.metadata],
      ]),
    /comes out of order/,
  ],
  [
    'a root alone',
    (image: Awaited<ReturnType<typeof makeImage>>) => multipart([['metadata', image.root]]),
    /no metadata/,
  ],
  [
    'metadata alone',
    (image: Awaited<ReturnType<typeof makeImage>>) => multipart([['metadata', image.metadata]]),
    /has no root/,
  ],
  [
    'a third part',
    (image: Awaited<ReturnType<typeof makeImage>>) =>
      multipart([
        ['metadata', image.metadata],
        ['rootfs', image.root],
        ['more', image.root],
      ]),
    /out of order/,
  ],
  [
    'a root that is none',
    (image: Awaited<ReturnType<typeof makeImage>>) =>
      multipart([
        ['metadata', image.metadata],
        ['rootfs', Buffer.alloc(1000, 'x')],
      ]),
    /no image file/,
  ],
  [
    'a body cut off',
    (image: Awaited<ReturnType<typeof makeImage>>) => {
      const { body, contentType } = multipart([
        ['metadata', image.metadata],
        ['rootfs', image.root],
      ]);
      return { body: body.subarray(0, -200), contentType };
    },
    /malformed/,
  ],
])('%s is refused in words and leaves nothing', async (_name, make, reason) => {
  const server = await TestServer.start();
  const client = await RegistryClient.joined(server);
  const { body, contentType } = make(await makeImage());
  const answer = await client.request('POST', '/1.0/images', {
    body,
    headers: { 'content-type': contentType },
  });
  expect(answer).toMatchObject({
    status: 400,
    type: 'error',
    error: expect.stringMatching(reason) as unknown,
  });
  expect((await client.get('/1.0/images')).metadata).toEqual([]);
  const left = [];
  for await (const blob of server.workspace.store.list()) left.push(blob);
  expect(left).toEqual([]);
});

test('an image that is published already is pushed as a private one only: clients refuse what is listed twice', async () => {
  const server = await TestServer.start();
  const client = await RegistryClient.joined(server);
  const files = await makeSmallImage({ os: 'Debian' });
  await server.publish({
    files: [files.metadata, files.root].map((name) => ({ from: 'disk', name, path: name })),
  });
  const [metadata, root] = await Promise.all([readFile(files.metadata), readFile(files.root)]);
  const fingerprint = createHash('sha256').update(metadata).update(root).digest('hex');
  const image = { metadata, root, fingerprint };
  const refused = await upload(client, image, { 'x-lxd-public': 'true' });
  expect(refused).toMatchObject({ status: 409, type: 'error' });
  expect(refused.error).toMatch(/public already, as debian:bookworm:amd64:default/);
  expect(await ended(client, await upload(client, image))).toMatchObject({ status: 'Success' });
  expect(await server.workspace.catalog.products.streams()).toEqual(['images', 'pushed']);
});
