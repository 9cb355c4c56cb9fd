import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { draft, stored, testActor } from '../../support/catalog.ts';
import { TestServer } from '../../support/server.ts';

const target = '/streams/v1/images.json';

async function serverWithProduct(): Promise<TestServer> {
  const server = await TestServer.start();
  await server.workspace.catalog
    .by(testActor)
    .versions.publish(draft({ implied: ['debian/bookworm'] }), stored);
  await expect.poll(async () => (await server.request(target)).status, { timeout: 5000 }).toBe(200);
  return server;
}

test('documents are compressed for clients that take it, with a tag for each form', async () => {
  const server = await serverWithProduct();
  const plain = await server.request(target);
  const gzip = await server.request(target, { headers: { 'accept-encoding': 'gzip' } });
  expect(plain.headers).not.toHaveProperty('content-encoding');
  expect(gzip.headers['content-encoding']).toBe('gzip');
  expect(gunzipSync(gzip.body).equals(plain.body)).toBe(true);
  expect(gzip.headers['etag']).not.toBe(plain.headers['etag']);
  for (const { headers, body } of [plain, gzip]) {
    expect(headers).toMatchObject({
      'content-type': 'application/json',
      'content-length': String(body.length),
      vary: 'Accept-Encoding',
      'access-control-allow-origin': '*',
    });
    const again = await server.request(target, {
      headers: {
        'if-none-match': headers['etag'] ?? '',
        'accept-encoding': headers['content-encoding'] ?? 'identity',
      },
    });
    expect(again.status).toBe(304);
  }
});

test('HEAD tells what GET would, for the index and the products', async () => {
  const server = await serverWithProduct();
  for (const path of ['/streams/v1/index.json', target, '//streams/v1//images.json']) {
    const get = await server.request(path);
    const head = await server.request(path, { method: 'HEAD' });
    expect(head.body).toHaveLength(0);
    expect([head.status, head.headers['etag'], head.headers['content-length']]).toEqual([
      200,
      get.headers['etag'],
      get.headers['content-length'],
    ]);
  }
});

test('a web page of another site may read documents', async () => {
  const server = await serverWithProduct();
  const preflight = await server.request(target, {
    method: 'OPTIONS',
    headers: { origin: 'https://ui.example', 'access-control-request-method': 'GET' },
  });
  expect(preflight.status).toBe(204);
  expect(preflight.headers['access-control-allow-origin']).toBe('*');
  expect(preflight.headers['access-control-allow-methods']).toContain('GET');
});

test('what is not there is 404, and documents cannot be written', async () => {
  const server = await serverWithProduct();
  for (const path of [
    '/streams/v1/other.json',
    '/streams/v1/',
    '/streams/v2/images.json',
    '/streams/v1/images',
  ]) {
    expect((await server.request(path)).status, path).toBe(404);
  }
  expect((await server.request(target, { method: 'POST' })).status).toBe(405);
});

test('health, readiness and metrics answer', async () => {
  const server = await serverWithProduct();
  expect((await server.request('/healthz')).json()).toEqual({ status: 'ok' });
  expect((await server.request('/readyz')).json()).toEqual({ status: 'ready' });
  await server.request(target, { headers: { 'accept-encoding': 'gzip' } });
  const metrics = (await server.request('/metrics')).body.toString();
  expect(metrics).toMatch(
    /headwater_http_requests_total\{surface="documents",method="GET",status="200"\} \d+/,
  );
  expect(metrics).toMatch(/headwater_http_response_bytes_total\{surface="documents"\} \d+/);
  expect(metrics).toMatch(/headwater_http_request_duration_seconds_count\{surface="documents"\} \d+/);
  expect(metrics).toContain('headwater_catalog_versions 1');
});

test('every answer has a request id: the client’s own when it sent one', async () => {
  const server = await serverWithProduct();
  for (const path of [target, '/healthz', '/nothing']) {
    expect((await server.request(path)).headers['x-request-id']).toMatch(/^[\w-]+$/);
    const given = await server.request(path, { headers: { 'x-request-id': 'abc-1' } });
    expect(given.headers['x-request-id']).toBe('abc-1');
  }
});
