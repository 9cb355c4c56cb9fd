import { expect, test } from 'vitest';
import { makeLayerImage } from '../../support/layer-images.ts';
import { TestServer } from '../../support/server.ts';
import { bearerFor, OciClient } from './client.ts';

const basic = (user: string, password: string) => ({
  authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
});

/** A server with a public and a private stream, and an image in each. */
async function start() {
  const server = await TestServer.start({
    streams: { images: { public: true }, secret: { public: false } },
  });
  const image = await makeLayerImage({ stream: 'secret' });
  await server.publish((await makeLayerImage()).request);
  await server.publish(image.request);
  return { server, image };
}

test('anonymous clients pull public images, with and without a bearer token', async () => {
  const { server } = await start();
  const without = new OciClient(server);
  const ping = await without.get('/v2/');
  const host = `127.0.0.1:${server.server.port}`;
  expect(ping.status).toBe(401);
  expect(ping.headers['www-authenticate']).toBe(`Bearer realm="https://${host}/v2/token",service="${host}"`);
  expect((await without.get('/v2/debian/manifests/bookworm')).status).toBe(200);
  const withToken = new OciClient(server, await bearerFor(server, undefined, 'repository:debian:pull'));
  expect((await withToken.get('/v2/')).json()).toEqual({});
  expect((await withToken.get('/v2/debian/manifests/bookworm')).status).toBe(200);
});

test('empty credentials are those of nobody', async () => {
  const { server } = await start();
  const { status } = await server.request('/v2/debian/manifests/bookworm', { headers: basic('', '') });
  expect(status).toBe(200);
});

test('a private repository is pulled with a token, by scope or directly', async () => {
  const { server, image } = await start();
  const secret = await server.token(['read'], ['secret']);
  const path = '/v2/secret/debian/manifests/bookworm';
  const bearer = await bearerFor(server, secret, 'repository:secret/debian:pull');
  expect((await new OciClient(server, bearer).get(path)).status).toBe(200);
  expect((await new OciClient(server, secret).get(path)).status).toBe(200);
  expect((await server.request(path, { headers: basic('any', secret) })).status).toBe(200);
  const layer = `/v2/secret/debian/blobs/sha256:${image.digest}`;
  const { status, headers } = await new OciClient(server, bearer).get(layer);
  expect([status, headers['cache-control']]).toEqual([200, expect.stringContaining('private')]);
  // The digest does not open it elsewhere.
  const elsewhere = new OciClient(server, await bearerFor(server, secret, 'repository:debian:pull'));
  expect((await elsewhere.get(layer.replace('secret/', ''))).status).toBe(404);
});

test('a bearer token for another repository has no rights, and the client is asked for the right one', async () => {
  const { server } = await start();
  const secret = await server.token(['read'], ['secret']);
  const bearer = await bearerFor(server, secret, 'repository:debian:pull');
  const { status, headers } = await new OciClient(server, bearer).get('/v2/secret/debian/tags/list');
  expect(status).toBe(401);
  expect(headers['www-authenticate']).toContain('scope="repository:secret/debian:pull"');
});

test('a private repository is the same to strangers as one that does not exist', async () => {
  const { server } = await start();
  const other = await server.token(['read'], ['images']);
  const scopes = ['repository:secret/debian:pull', 'repository:secret/nothing:pull'];
  const clients = [
    new OciClient(server),
    new OciClient(server, await bearerFor(server, undefined, ...scopes)),
    new OciClient(server, await bearerFor(server, other, ...scopes)),
    new OciClient(server, other),
  ];
  for (const client of clients) {
    for (const rest of ['tags/list', 'manifests/bookworm', 'manifests/latest']) {
      const [there, absent] = [
        await client.get(`/v2/secret/debian/${rest}`),
        await client.get(`/v2/secret/nothing/${rest}`),
      ];
      expect(there.status).toBe(absent.status);
      expect([401, 404]).toContain(there.status);
      const body = (bytes: Buffer) => bytes.toString().replace(/secret\/\w+/, 'NAME');
      expect(body(there.body)).toBe(body(absent.body));
    }
    expect((await client.get('/v2/_catalog')).json()).toEqual({ repositories: ['debian'] });
  }
});

test('docker login succeeds with a token, and fails with anything else', async () => {
  const { server } = await start();
  const secret = await server.token(['read']);
  const query = 'account=u&client_id=docker&offline_token=true&service=s';
  const right = await server.request(`/v2/token?${query}`, { headers: basic('u', secret) });
  const { token, expires_in } = right.json() as { token: string; expires_in: number };
  expect(expires_in).toBe(300);
  expect((await new OciClient(server, token).get('/v2/')).status).toBe(200);
  const wrong = await server.request(`/v2/token?${query}`, { headers: basic('u', 'wrong') });
  expect(wrong.status).toBe(401);
  expect(wrong.json()).toMatchObject({ errors: [{ code: 'UNAUTHORIZED', message: expect.any(String) }] });
});

test('containerd posts its credentials', async () => {
  const { server } = await start();
  const secret = await server.token(['read'], ['secret']);
  const scope = 'repository:secret/debian:pull';
  const form = (password: string) =>
    new URLSearchParams({
      ...{ grant_type: 'password', client_id: 'containerd-client', username: 'u', password, scope },
      service: 's',
    }).toString();
  const post = async (body: string) =>
    await server.request('/v2/token', {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body,
    });
  const { access_token: token } = (await post(form(secret))).json() as { access_token: string };
  expect((await new OciClient(server, token).get('/v2/secret/debian/tags/list')).status).toBe(200);
  expect((await post(form('wrong'))).status).toBe(401);
  expect((await post('grant_type=refresh_token')).status).toBe(400);
});

test('a revoked token, and every bearer token for it, is refused at once', async () => {
  const { server } = await start();
  const { tokens } = server.workspace.catalog;
  const { secret } = await tokens.create({ name: 'ci', actions: ['read'], streams: ['secret'] });
  const bearer = await bearerFor(server, secret, 'repository:secret/debian:pull');
  const client = new OciClient(server, bearer);
  expect((await client.get('/v2/secret/debian/tags/list')).status).toBe(200);
  await tokens.revoke('ci');
  expect((await client.get('/v2/secret/debian/tags/list')).status).toBe(401);
  expect((await client.get('/v2/')).status).toBe(401);
});

test('a bearer token that was changed is refused', async () => {
  const { server } = await start();
  const bearer = await bearerFor(server, undefined);
  const [body = '', signature] = bearer.slice(4).split('.');
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as object;
  const { tokens } = server.workspace.catalog;
  const { token } = await tokens.create({ name: 'root', actions: ['admin'] });
  const changed = { ...claims, who: { kind: 'token', id: token.id } };
  const forged = `hwb_${Buffer.from(JSON.stringify(changed)).toString('base64url')}.${signature}`;
  for (const each of [forged, bearer.slice(0, -2), `${bearer}.x`.replace(/.\.x$/, '.x'), 'hwb_', 'hwb_.']) {
    expect((await new OciClient(server, each).get('/v2/')).status, each).toBe(401);
  }
});

test('the address of the token endpoint is the public one', async () => {
  const server = await TestServer.start({ publicUrl: 'https://images.example.com' });
  const { headers } = await server.request('/v2/');
  expect(headers['www-authenticate']).toBe(
    'Bearer realm="https://images.example.com/v2/token",service="images.example.com"',
  );
});

test('rights to some names show only these products', async () => {
  const { server } = await start();
  await server.publish((await makeLayerImage({ stream: 'secret', architecture: 'arm64' })).request);
  await server.publish((await makeLayerImage({ stream: 'secret', release: 'trixie' })).request);
  const { secret } = await server.workspace.catalog.tokens.create({
    ...{ name: 'some', actions: ['read'], streams: ['secret'], names: ['debian:trixie:*'] },
  });
  const client = new OciClient(server, secret);
  expect((await client.tags('secret/debian')).filter((tag) => !tag.includes('_'))).toEqual(['trixie']);
});
