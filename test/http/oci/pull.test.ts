import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { makeLayerImage } from '../../support/layer-images.ts';
import { TestServer } from '../../support/server.ts';
import { bearerFor, OciClient } from './client.ts';

const sha256 = (bytes: Buffer) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

test('the gzip root of a version is the layer of its image', async () => {
  const server = await TestServer.start();
  const image = await makeLayerImage({ serial: '20260131_0524' });
  await server.publish(image.request);
  const client = new OciClient(server);
  const index = await client.document('debian', 'bookworm');
  expect(index.manifests).toMatchObject([{ platform: { architecture: 'amd64', os: 'linux' } }]);
  const manifest = await client.document('debian', index.manifests?.[0]?.digest ?? '');
  expect(manifest.layers).toEqual([
    {
      mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
      digest: `sha256:${image.digest}`,
      size: image.gzip.length,
    },
  ]);
  const config = await client.get(`/v2/debian/blobs/${manifest.config?.digest}`);
  expect(sha256(config.body)).toBe(manifest.config?.digest);
  expect(config.body).toHaveLength(manifest.config?.size ?? 0);
  expect(config.json()).toMatchObject({
    created: '2026-01-31T05:24:00Z',
    architecture: 'amd64',
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: [`sha256:${image.unpacked}`] },
  });
  const layer = await client.get(`/v2/debian/blobs/sha256:${image.digest}`);
  expect(layer.body.equals(image.gzip)).toBe(true);
  expect(layer.headers).toMatchObject({
    'content-type': 'application/octet-stream',
    'docker-content-digest': `sha256:${image.digest}`,
    'content-length': String(image.gzip.length),
  });
  const part = await client.get(`/v2/debian/blobs/sha256:${image.digest}`, {
    headers: { range: 'bytes=2-5' },
  });
  expect([part.status, part.body.equals(image.gzip.subarray(2, 6))]).toEqual([206, true]);
});

test('HEAD has the headers of GET, which clients go on with', async () => {
  const server = await TestServer.start();
  const image = await makeLayerImage();
  await server.publish(image.request);
  const client = new OciClient(server);
  for (const path of ['manifests/bookworm', `blobs/sha256:${image.digest}`]) {
    const [get, head] = [
      await client.get(`/v2/debian/${path}`),
      await client.get(`/v2/debian/${path}`, { method: 'HEAD' }),
    ];
    expect(head.status).toBe(200);
    expect(head.body).toHaveLength(0);
    for (const name of ['content-type', 'content-length', 'docker-content-digest']) {
      expect(head.headers[name], name).toBe(get.headers[name]);
    }
    expect(get.headers['docker-content-digest']).toBe(sha256(get.body));
  }
});

test('an index has all architectures; an older one stays fetchable by its digest', async () => {
  const server = await TestServer.start();
  const client = new OciClient(server);
  await server.publish((await makeLayerImage({ serial: '20260101_0000' })).request);
  const first = await client.document('debian', 'bookworm');
  for (const architecture of ['arm64', 'armhf', 'ppc64el', 'i386']) {
    const { request } = await makeLayerImage({ architecture, serial: '20260101_0000' });
    await server.publish(request);
  }
  const all = await client.document('debian', 'bookworm');
  expect(all.manifests?.map(({ platform }) => platform)).toEqual([
    { architecture: '386', os: 'linux' },
    { architecture: 'amd64', os: 'linux' },
    { architecture: 'arm', os: 'linux', variant: 'v7' },
    { architecture: 'arm64', os: 'linux', variant: 'v8' },
    { architecture: 'ppc64le', os: 'linux' },
  ]);
  await server.publish((await makeLayerImage({ serial: '20260202_0000' })).request);
  const last = await client.document('debian', 'bookworm');
  expect(new Set([first.digest, all.digest, last.digest]).size).toBe(3);
  for (const { digest } of [first, all, last]) {
    expect((await client.document('debian', digest)).digest).toBe(digest);
  }
  // A tag with a serial has its version for good.
  expect((await client.document('debian', 'bookworm-20260101_0000')).digest).toBe(all.digest);
});

test('digests are the same after a restart, and those of a removed version are fetchable for the grace period', async () => {
  const server = await TestServer.start();
  const image = await makeLayerImage({ serial: '20260101_0000' });
  await server.publish(image.request);
  await server.publish((await makeLayerImage({ serial: '20260202_0000' })).request);
  const client = new OciClient(server);
  const index = await client.document('debian', 'bookworm-20260101_0000');
  const name = 'debian:bookworm:amd64:default';
  await server.workspace.catalog.versions.remove({ stream: 'images', name }, '20260101_0000');
  expect(await client.tags('debian')).toEqual(['bookworm', 'bookworm-20260202_0000']);
  const { dataDir } = server.config;
  const again = new OciClient(await TestServer.start({ dataDir }));
  for (const each of [client, again]) {
    expect(await each.document('debian', index.digest)).toEqual(index);
    expect((await each.get(`/v2/debian/blobs/sha256:${image.digest}`)).status).toBe(200);
  }
});

test('tags are releases, variants, serials and aliases', async () => {
  const server = await TestServer.start();
  const publish = async (request: Parameters<typeof makeLayerImage>[0]) =>
    await server.publish((await makeLayerImage({ serial: '20260101_0000', ...request })).request);
  await publish({ aliases: ['debian', 'debian/12', 'web/nginx'] });
  await publish({ variant: 'cloud' });
  await publish({ release: 'trixie', stream: 'nightly', createStream: true });
  const client = new OciClient(server);
  expect(await client.tags('debian')).toEqual([
    '12',
    '12-20260101_0000',
    'bookworm',
    'bookworm-20260101_0000',
    'bookworm-cloud',
    'bookworm-cloud-20260101_0000',
    'latest',
  ]);
  expect(await client.tags('web')).toEqual(['nginx', 'nginx-20260101_0000']);
  expect(await client.tags('nightly/debian')).toEqual(['trixie', 'trixie-20260101_0000']);
  expect((await client.get('/v2/_catalog')).json()).toEqual({
    repositories: ['debian', 'nightly/debian', 'web'],
  });
});

test('lists have pages', async () => {
  const server = await TestServer.start();
  await server.publish((await makeLayerImage({ aliases: ['debian/12', 'debian/12.9'] })).request);
  const client = new OciClient(server);
  const all = await client.tags('debian');
  expect(all.length).toBeGreaterThan(4);
  const seen: string[] = [];
  let path = '/v2/debian/tags/list?n=2';
  while (path !== '') {
    const { headers, json } = await client.get(path);
    const { tags } = json() as { tags: string[] };
    expect(tags.length).toBeLessThanOrEqual(2);
    seen.push(...tags);
    path = /^<(.*)>; rel="next"$/.exec(headers['link'] ?? '')?.[1] ?? '';
  }
  expect(seen).toEqual(all);
});

test('what no client could unpack is not offered', async () => {
  const server = await TestServer.start();
  const padded = await makeLayerImage({}, { padding: true });
  await server.publish(padded.request);
  const client = new OciClient(server, await bearerFor(server, undefined, 'repository:debian:pull'));
  expect(await client.tags('debian')).toEqual([]);
  expect(await client.errors('/v2/debian/manifests/bookworm')).toEqual([404, ['MANIFEST_UNKNOWN']]);
});

test('there are no referrers', async () => {
  const server = await TestServer.start();
  const image = await makeLayerImage();
  await server.publish(image.request);
  const { status, headers, json } = await new OciClient(server).get(
    `/v2/debian/referrers/sha256:${image.digest}`,
  );
  expect([status, headers['content-type']]).toEqual([200, 'application/vnd.oci.image.index.v1+json']);
  expect(json()).toMatchObject({ schemaVersion: 2, manifests: [] });
});

test('errors have the form that clients read', async () => {
  const server = await TestServer.start();
  const image = await makeLayerImage();
  await server.publish(image.request);
  const client = new OciClient(
    server,
    await bearerFor(server, undefined, 'repository:debian:pull', 'repository:none:pull'),
  );
  const absent = `sha256:${'0'.repeat(64)}`;
  expect(await client.errors('/v2/debian/manifests/sid')).toEqual([404, ['MANIFEST_UNKNOWN']]);
  expect(await client.errors(`/v2/debian/manifests/${absent}`)).toEqual([404, ['MANIFEST_UNKNOWN']]);
  expect(await client.errors(`/v2/debian/blobs/${absent}`)).toEqual([404, ['BLOB_UNKNOWN']]);
  expect(await client.errors('/v2/none/tags/list')).toEqual([404, ['NAME_UNKNOWN']]);
  expect(await client.errors('/v2/Debian/tags/list')).toEqual([400, ['NAME_INVALID']]);
  expect(await client.errors('/v2/debian/blobs/12')).toEqual([400, ['DIGEST_INVALID']]);
  expect(await client.errors('/v2/debian/tags/list?n=x')).toEqual([400, ['UNSUPPORTED']]);
  expect(await client.errors('/v2/nothing')).toEqual([404, ['UNSUPPORTED']]);
  expect(await client.errors('/v2/%ff/tags/list')).toEqual([400, ['UNSUPPORTED']]);
  expect(await client.errors('/v2/debian/manifests/bookworm', { method: 'DELETE' })).toEqual([
    405,
    ['UNSUPPORTED'],
  ]);
});

test('a server without the surface does not have it', async () => {
  const server = await TestServer.start({ oci: { enabled: false } });
  await server.publish((await makeLayerImage()).request);
  const { status, json } = await server.request('/v2/debian/manifests/bookworm');
  expect([status, json()]).toMatchObject([404, { error: { kind: 'not-found' } }]);
});
