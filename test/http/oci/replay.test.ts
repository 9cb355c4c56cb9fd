import { expect, test } from 'vitest';
import { makeLayerImage } from '../../support/layer-images.ts';
import { TestServer } from '../../support/server.ts';
import type { Document } from './client.ts';

// The requests of clients that tests do not run, as they were seen on the wire.

const index = 'application/vnd.oci.image.index.v1+json';
const manifest = 'application/vnd.oci.image.manifest.v1+json';
const dockerTypes = [
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  manifest,
  index,
];

async function start() {
  const server = await TestServer.start();
  const image = await makeLayerImage();
  await server.publish(image.request);
  return { server, image };
}

/** Follows an index to its layer, by digests only. @returns the digest of the layer */
async function follow(
  get: (path: string) => Promise<{ status: number; headers: Record<string, string>; body: Buffer }>,
  digest: string,
): Promise<string | undefined> {
  const found = await get(`/v2/debian/manifests/${digest}`);
  expect([found.status, found.headers['content-type'], found.headers['docker-content-digest']]).toEqual([
    200,
    index,
    digest,
  ]);
  const { manifests } = JSON.parse(found.body.toString()) as Document;
  const own = await get(`/v2/debian/manifests/${manifests?.[0]?.digest}`);
  expect(own.headers['content-type']).toBe(manifest);
  const { config, layers } = JSON.parse(own.body.toString()) as Document;
  for (const each of [config, layers?.[0]]) {
    const blob = await get(`/v2/debian/blobs/${each?.digest}`);
    expect([blob.status, blob.body.length]).toEqual([200, each?.size]);
    expect(blob.headers['content-encoding']).toBeUndefined();
  }
  return layers?.[0]?.digest;
}

test('docker 20.10: ping, token, HEAD of the tag, then digests', async () => {
  const { server, image } = await start();
  const agent = { 'user-agent': 'docker/20.10.24 go/go1.19.8', 'accept-encoding': 'gzip' };
  const ping = await server.request('/v2/', { headers: agent });
  expect(ping.status).toBe(401);
  expect(ping.headers['docker-distribution-api-version']).toBe('registry/2.0');
  const [, realm = '', service] =
    /^Bearer realm="(.+?)",service="(.+?)"$/.exec(ping.headers['www-authenticate'] ?? '') ?? [];
  const { pathname } = new URL(realm);
  const answer = await server.request(`${pathname}?scope=repository%3Adebian%3Apull&service=${service}`, {
    headers: agent,
  });
  const { token } = answer.json() as { token: string };
  const get = async (path: string, method = 'GET') =>
    await server.request(path, { method, token, headers: { ...agent, accept: dockerTypes.join(', ') } });
  const head = await get('/v2/debian/manifests/bookworm', 'HEAD');
  expect([head.status, head.headers['content-type']]).toEqual([200, index]);
  expect(await follow(get, head.headers['docker-content-digest'] ?? '')).toBe(`sha256:${image.digest}`);
});

test('containerd 1.7 of Kubernetes: HEAD of the tag without a token, then digests', async () => {
  const { server, image } = await start();
  const accept = [...dockerTypes, '*/*'].join(', ');
  const get = async (path: string, method = 'GET') =>
    await server.request(path, { method, headers: { 'user-agent': 'containerd/1.7.24', accept } });
  const head = await get('/v2/debian/manifests/bookworm', 'HEAD');
  expect(head.status).toBe(200);
  expect(Number(head.headers['content-length'])).toBeGreaterThan(0);
  expect(await follow(get, head.headers['docker-content-digest'] ?? '')).toBe(`sha256:${image.digest}`);
});

test('containerd without a token is sent to fetch one for what does not exist, and then told so', async () => {
  const { server } = await start();
  const path = '/v2/nothing/manifests/bookworm';
  const { status, headers } = await server.request(path, { method: 'HEAD' });
  expect([status, headers['www-authenticate']]).toEqual([
    401,
    expect.stringContaining('scope="repository:nothing:pull"'),
  ]);
  const answer = await server.request('/v2/token?scope=repository%3Anothing%3Apull&service=x');
  const { token } = answer.json() as { token: string };
  expect((await server.request(path, { method: 'HEAD', token })).status).toBe(404);
});
