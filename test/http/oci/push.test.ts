import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { packTar } from '../../../src/image/tar/tar-pack.ts';
import { makeLayerImage } from '../../support/layer-images.ts';
import { TestServer } from '../../support/server.ts';
import { bearerFor, OciClient } from './client.ts';
import { configOf, type Manifest, Pusher, sha256 } from './pusher.ts';

async function start(repository: string, actions: ('read' | 'publish')[] = ['read', 'publish']) {
  const server = await TestServer.start();
  const token = await server.token(actions);
  return { server, token, pusher: new Pusher(server, token, repository) };
}

test('a pushed image is a version that every client finds', async () => {
  const { server, token, pusher } = await start('team/app');
  const image = await makeLayerImage();
  const config = configOf(image);
  expect([await pusher.blob(config), await pusher.blob(image.gzip)]).toEqual([201, 201]);
  // docker looks for the blob that it has just sent.
  expect((await pusher.send('HEAD', `blobs/${sha256(image.gzip)}`)).status).toBe(200);
  const put = await pusher.manifest('v1', { config, layers: [image.gzip] });
  expect([put.status, put.headers['docker-content-digest']]).toEqual([201, put.digest]);

  const client = new OciClient(server);
  const found = await client.document('team/app', 'v1');
  expect(found.digest).toBe(put.digest);
  expect((await client.get(`/v2/team/app/blobs/${found.config?.digest}`)).body.equals(config)).toBe(true);
  const layer = await client.get(`/v2/team/app/blobs/${found.layers?.[0]?.digest}`);
  expect(layer.body.equals(image.gzip)).toBe(true);

  const alias = (await server.request('/1.0/images/aliases/team%2Fapp%2Fv1', { token })).json();
  expect(alias).toMatchObject({ metadata: { name: 'team/app/v1' } });
  const { products } = (await server.request('/streams/v1/images.json')).json() as {
    products: Record<string, { aliases: string; os: string; release_title: string }>;
  };
  expect(Object.values(products)).toMatchObject([{ aliases: 'team/app/v1', os: 'debian' }]);
  expect(await readdir(join(server.config.dataDir, 'pushes'))).toEqual([]);
});

test('images of several architectures under one tag have an index; their manifests keep their digests', async () => {
  const { server, pusher } = await start('team/app');
  const digests: string[] = [];
  for (const architecture of ['amd64', 'arm64']) {
    const image = await makeLayerImage();
    const config = configOf(image, architecture);
    await pusher.blob(config);
    await pusher.blob(image.gzip);
    digests.push((await pusher.manifest('latest', { config, layers: [image.gzip] })).digest);
  }
  const index = await new OciClient(server).document('team/app', 'latest');
  expect(index.manifests?.map(({ digest }) => digest)).toEqual(digests);
});

test('blobs of an earlier push are not sent again', async () => {
  const { server, pusher } = await start('app');
  const image = await makeLayerImage();
  const config = configOf(image);
  await pusher.blob(config);
  await pusher.blob(image.gzip);
  await pusher.manifest('v1', { config, layers: [image.gzip] });
  for (const bytes of [config, image.gzip]) {
    expect((await pusher.send('HEAD', `blobs/${sha256(bytes)}`)).status).toBe(200);
  }
  const again = await pusher.manifest('v2', { config, layers: [image.gzip] });
  expect(again.status).toBe(201);
  const client = new OciClient(server);
  expect((await client.document('app', 'v1')).digest).toBe(again.digest);
  expect((await client.document('app', 'v2')).digest).toBe(again.digest);
  // The same push changes nothing.
  expect((await pusher.manifest('v2', { config, layers: [image.gzip] })).status).toBe(201);
  expect((await client.tags('app')).filter((tag) => tag.startsWith('v2-'))).toHaveLength(1);
});

test('an image that cannot be a version is refused, with the reason', async () => {
  const { server, pusher } = await start('app');
  const image = await makeLayerImage();
  const config = configOf(image);
  const file = { type: 'file', mode: 0o644, mtime: new Date(0), bytes: Buffer.from('x') } as const;
  const directory = { type: 'directory', mode: 0o755, mtime: new Date(0) } as const;
  const whiteouts = gzipSync(
    await packTar([
      ...['bin', 'etc', 'usr'].map((name) => ({ name, ...directory })),
      { name: 'etc/.wh.motd', ...file },
    ]),
  );
  const noRoot = gzipSync(await packTar([{ name: 'hello', ...file }]));
  for (const bytes of [config, image.gzip, whiteouts, noRoot]) expect(await pusher.blob(bytes)).toBe(201);
  const windows = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'windows' }));
  await pusher.blob(windows);
  const refused = async (manifest: Manifest) => {
    const { status, json } = await pusher.manifest('v1', manifest);
    const { errors } = json() as { errors: { code: string; message: string }[] };
    return [status, errors[0]?.code, errors[0]?.message];
  };
  const invalid = (message: string) => [400, 'MANIFEST_INVALID', expect.stringContaining(message)];
  expect(await refused({ config, layers: [] })).toEqual(invalid('has 0 layers'));
  expect(await refused({ config, layers: [whiteouts] })).toEqual(invalid('deletes files of other layers'));
  expect(await refused({ config, layers: [noRoot] })).toEqual(invalid('no root filesystem'));
  expect(await refused({ config: windows, layers: [image.gzip] })).toEqual(invalid('not for linux'));
  const mediaType = 'application/vnd.oci.image.index.v1+json';
  expect(await refused({ config, layers: [image.gzip], mediaType })).toEqual(
    invalid('several architectures'),
  );
  const absent = Buffer.from('{}');
  expect((await refused({ config: absent, layers: [image.gzip] })).slice(0, 2)).toEqual([
    404,
    'MANIFEST_BLOB_UNKNOWN',
  ]);
  expect(await server.workspace.catalog.products.streams()).toEqual([]);
});

test('several layers are combined to one root', async () => {
  const { server, pusher } = await start('team/app');
  const image = await makeLayerImage();
  const config = configOf(image);
  const file = { type: 'file', mode: 0o644, mtime: new Date(0) } as const;
  const second = gzipSync(
    await packTar([
      { name: 'etc/motd', ...file, bytes: Buffer.from('second layer') },
      { name: 'etc/.wh.noise', ...file },
    ]),
  );
  for (const bytes of [config, image.gzip, second]) expect(await pusher.blob(bytes)).toBe(201);
  const put = await pusher.manifest('v1', { config, layers: [image.gzip, second] });
  expect(put.status, put.body.toString()).toBe(201);
  const client = new OciClient(server);
  const { manifests } = await client.document('team/app', 'v1');
  const { layers } = await client.document('team/app', manifests?.[0]?.digest ?? '');
  expect(layers).toHaveLength(1);
  const root = gunzipSync((await client.get(`/v2/team/app/blobs/${layers?.[0]?.digest}`)).body).toString(
    'latin1',
  );
  expect(root).toContain('second layer');
  expect(root).toContain('etc/os-release');
  expect(root).not.toContain('noise');
  expect(await readdir(join(server.config.dataDir, 'pushes'))).toEqual([]);
});

test('bytes with another digest are refused, and nothing of them stays', async () => {
  const { server, pusher } = await start('app');
  expect(await pusher.blob(Buffer.from('{}'), sha256(Buffer.from('other')))).toBe(400);
  expect(await readdir(join(server.config.dataDir, 'pushes'))).toEqual([]);
});

test('an upload continues where it stopped', async () => {
  const { pusher } = await start('app');
  const bytes = Buffer.from('{"some": "config"}');
  const { headers } = await pusher.send('POST', 'blobs/uploads/');
  const location = headers['location'] ?? '';
  const part = async (from: number, to: number) =>
    await pusher.send('PATCH', location, bytes.subarray(from, to), { 'content-range': `${from}-${to - 1}` });
  expect((await part(0, 5)).headers['range']).toBe('0-4');
  const wrong = await part(8, 9);
  expect([wrong.status, wrong.headers['range']]).toEqual([416, '0-4']);
  expect((await pusher.send('GET', location)).headers['range']).toBe('0-4');
  expect((await part(5, bytes.length)).status).toBe(202);
  const done = await pusher.send('PUT', `${location}?digest=${sha256(bytes)}`);
  expect([done.status, done.headers['docker-content-digest']]).toEqual([201, sha256(bytes)]);
});

test('a cancelled upload is gone', async () => {
  const { pusher } = await start('app');
  const { headers } = await pusher.send('POST', 'blobs/uploads/');
  const location = headers['location'] ?? '';
  expect((await pusher.send('DELETE', location)).status).toBe(204);
  expect((await pusher.send('PATCH', location, Buffer.from('x'))).status).toBe(404);
});

test('rights and quotas are those of every push', async () => {
  const server = await TestServer.start({ registry: { entryQuota: 1000 } });
  const { tokens } = server.workspace.catalog;
  const { secret: some } = await tokens.create({
    ...{ name: 'some', actions: ['read', 'publish'], names: ['team/*'] },
  });
  const reader = await server.token(['read']);
  const start = async (secret: string, repository: string) =>
    (await new Pusher(server, secret, repository).send('POST', 'blobs/uploads/')).status;
  expect(await start(reader, 'team/app')).toBe(403);
  expect(await start(await bearerFor(server, some, 'repository:team/app:pull'), 'team/app')).toBe(401);
  const bearer = await bearerFor(server, some, 'repository:team/app:pull,push');
  expect(await start(bearer, 'team/app')).toBe(202);
  expect(await start(bearer, 'team/other')).toBe(401);
  const anonymous = await bearerFor(server, undefined, 'repository:team/app:pull,push');
  expect(await start(anonymous, 'team/app')).toBe(401);

  const image = await makeLayerImage();
  const config = configOf(image);
  for (const [repository, status] of [
    ['other/app', 403],
    ['team/app', 413],
  ] as const) {
    const pusher = new Pusher(server, some, repository);
    await pusher.blob(config);
    await pusher.blob(image.gzip);
    expect((await pusher.manifest('v1', { config, layers: [image.gzip] })).status).toBe(status);
  }
  expect(await server.workspace.catalog.products.streams()).toEqual([]);
});

test('another client cannot use, or continue, what one has sent', async () => {
  const { server, pusher } = await start('app');
  const other = new Pusher(server, await server.token(['read', 'publish']), 'app');
  const image = await makeLayerImage();
  const config = configOf(image);
  await pusher.blob(config);
  await pusher.blob(image.gzip);
  expect((await other.send('HEAD', `blobs/${sha256(image.gzip)}`)).status).toBe(404);
  expect((await other.manifest('v1', { config, layers: [image.gzip] })).status).toBe(404);
  const { headers } = await pusher.send('POST', 'blobs/uploads/');
  expect((await other.send('PATCH', headers['location'] ?? '', Buffer.from('x'))).status).toBe(404);
});

test('an image is pushed into the stream that the name begins with', async () => {
  const server = await TestServer.start({
    streams: { images: { public: true }, internal: { public: false } },
  });
  const token = await server.token(['read', 'publish'], ['internal']);
  const pusher = new Pusher(server, token, 'internal/app');
  const image = await makeLayerImage();
  const config = configOf(image);
  await pusher.blob(config);
  await pusher.blob(image.gzip);
  expect((await pusher.manifest('v1', { config, layers: [image.gzip] })).status).toBe(201);
  expect(await server.workspace.catalog.products.streams()).toEqual(['internal']);
  expect((await new OciClient(server, token).get('/v2/internal/app/manifests/v1')).status).toBe(200);
  expect((await new OciClient(server).get('/v2/internal/app/manifests/v1')).status).toBe(401);
});
