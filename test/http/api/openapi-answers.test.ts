import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { describeApi, errorAnswer, operations } from '../../../src/http/api/openapi/openapi.ts';
import { answersOf } from '../../../src/http/api/openapi/openapi-operation.ts';
import { adoptStore } from '../../../src/ops/store-owner.ts';
import { SendingSite, siteDefinition } from '../../mirror/site/sites.ts';
import { definition } from '../../mirror/workspace.ts';
import { draft, stored, testActor } from '../../support/catalog.ts';
import { TestServer } from '../../support/server.ts';
import { scratchKey } from '../../support/signing.ts';
import { makeSmallImage } from '../../support/small-images.ts';

type Request = NonNullable<Parameters<TestServer['request']>[1]>;

const digestOf = (bytes: Buffer) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** Sends requests to a server and holds each answer against what is described. */
class Caller {
  readonly #server: TestServer;
  readonly #token: string;
  /** `GET /streams 200`, … */
  readonly seen = new Set<string>();

  constructor(server: TestServer, token: string) {
    this.#server = server;
    this.#token = token;
  }

  /**
   * @param key the operation
   * @param values what stands for the names in its path, and the query, in their order
   */
  async call(key: string, status: number, values: string[] = [], request: Request & { query?: string } = {}) {
    const [method = '', pattern = ''] = key.split(' ');
    const rest = [...values];
    const path = pattern.replaceAll(/\{\w+\}/g, () => encodeURIComponent(rest.shift() ?? ''));
    const answer = await this.#server.request(`/api/v1${path}${request.query ?? ''}`, {
      method,
      token: this.#token,
      ...request,
    });
    const where = `${key} ${status}`;
    expect(answer.status, `${where}: ${answer.body.toString()}`).toBe(status);
    const operation = operations[key];
    const described = operation && answersOf(method, operation).get(status);
    if (described === undefined) throw new Error(`${where} is not described`);
    for (const header of [...(described.headers ?? []), 'X-Request-Id']) {
      expect(answer.headers, where).toHaveProperty(header.toLowerCase());
    }
    const schema = status >= 400 ? errorAnswer : described.body;
    if (described.type !== undefined) expect(answer.headers['content-type'], where).toBe(described.type);
    else if (method === 'HEAD' || schema === undefined) expect(answer.body, where).toHaveLength(0);
    else expect(schema.safeParse(answer.json()).error, where).toBeUndefined();
    this.seen.add(where);
    return answer;
  }
}

test('what every operation answers is as the document describes it', async () => {
  const mirror = definition('http://127.0.0.1:1', { name: 'up', maxAge: 1000 });
  const off = definition('http://127.0.0.1:1', { name: 'off', enabled: false });
  const server = await TestServer.start({ limits: { uploadSize: '1MiB' } }, [mirror, off]);
  const { catalog } = server.workspace;
  const caller = new Caller(server, await server.token(['admin']));
  const call = caller.call.bind(caller);
  const image = await makeSmallImage();
  const [metadata, root] = [await readFile(image.metadata), await readFile(image.root)];
  const json = (value: unknown) => ({ body: JSON.stringify(value) });
  const nothing = 'sha256:'.padEnd(71, '0');

  await call('GET /openapi.json', 200);
  await call('HEAD /blobs/{digest}', 404, [digestOf(root)]);
  await call('HEAD /blobs/{digest}', 422, ['nonsense']);
  await call('PUT /blobs/{digest}', 409, [digestOf(root)], {
    headers: { 'content-range': `bytes 5-${root.length - 1}/${root.length}` },
    body: root.subarray(5),
  });
  await call('PUT /blobs/{digest}', 422, [nothing], { body: root });
  await call('PUT /blobs/{digest}', 413, [nothing], { body: Buffer.alloc(2 ** 20 + 1) });
  await call('PUT /blobs/{digest}', 404, [digestOf(root)], { body: root, query: `?metadata=${nothing}` });
  for (const body of [metadata, root]) await call('PUT /blobs/{digest}', 201, [digestOf(body)], { body });
  await call('PUT /blobs/{digest}', 200, [digestOf(root)], { body: root });
  await call('HEAD /blobs/{digest}', 200, [digestOf(root)]);

  const version = {
    files: [{ digest: digestOf(metadata) }, { digest: digestOf(root) }],
    aliases: ['stable'],
  };
  const published = await call('POST /versions', 201, [], json(version));
  const { product, serial, images } = published.json() as {
    product: string;
    serial: string;
    images: { fingerprint: string }[];
  };
  const place = new URL(String(published.headers['location']), server.url('/api/v1/versions')).pathname;
  expect((await server.request(place)).json()).toMatchObject({ name: product });
  await call('POST /versions', 200, [], json(version));
  await call('POST /versions', 404, [], json({ ...version, files: [{ digest: nothing }] }));
  await call('POST /versions', 422, [], json({}));
  await call('POST /versions', 413, [], { body: Buffer.alloc(2 * 1024 * 1024, ' ') });
  await call(
    'POST /versions',
    409,
    [],
    json({ files: version.files.slice(1), os: 'debian', serial, release: 'bookworm', architecture: 'amd64' }),
  );

  await call(
    'PUT /aliases/{alias}',
    204,
    ['web/app'],
    json({ os: 'debian', release: 'bookworm', variant: 'default' }),
  );
  await call('PUT /aliases/{alias}', 404, ['web/app'], json({ os: 'a', release: 'b', variant: 'c' }));
  await call('PUT /aliases/{alias}', 422, ['a,b'], json({ os: 'a', release: 'b', variant: 'c' }));
  await catalog
    .by(testActor)
    .versions.publish(draft({ os: 'other', owner: 'mirror:up', aliases: ['theirs'] }), stored);
  await call(
    'PUT /aliases/{alias}',
    409,
    ['theirs'],
    json({ os: 'debian', release: 'bookworm', variant: 'default' }),
  );
  for (const stream of ['nightly', 'stable']) {
    await catalog.by(testActor).versions.publish(draft({ os: 'same', stream, aliases: ['same'] }), stored);
  }
  const same = 'same:bookworm:amd64:default';
  await call('GET /products/{product}', 409, [same]);
  await call('DELETE /products/{product}/versions/{serial}', 409, [same, '20260101_0000']);
  await call('DELETE /aliases/{alias}', 409, ['same']);
  await call('GET /aliases', 200);
  await call('GET /streams', 200);
  await call('GET /products', 200, [], { query: '?limit=1' });
  await call('GET /products', 422, [], { query: '?limit=none' });
  await call('GET /products/{product}', 200, [product]);
  await call('GET /products/{product}', 422, [product], { query: '?provenance=yes' });
  await call('GET /products/{product}', 404, ['none']);
  await call('GET /images/{fingerprint}', 200, [images[0]?.fingerprint ?? '']);
  await call('GET /images/{fingerprint}', 422, ['xyz']);
  await call('DELETE /aliases/{alias}', 204, ['web/app']);
  await call('DELETE /aliases/{alias}', 404, ['web/app']);
  await call('DELETE /aliases/{alias}', 422, ['a,b']);

  const run = await call('POST /mirrors/{mirror}/runs', 202, ['up']);
  expect(new URL(String(run.headers['location']), server.url('/api/v1/mirrors/up/runs')).pathname).toBe(
    '/api/v1/mirrors/up',
  );
  await call('POST /mirrors/{mirror}/runs', 422, ['up'], json({ force: 'yes' }));
  await call('POST /mirrors/{mirror}/runs', 409, ['off']);
  await call('POST /mirrors/{mirror}/runs', 404, ['none']);
  await expect.poll(async () => (await catalog.mirrors.runs('up', 1)).length).toBe(1);
  await call('GET /mirrors', 200);
  await call('GET /mirrors/{mirror}', 200, ['up']);
  await call('GET /mirrors/{mirror}', 404, ['none']);

  await call(
    'POST /tokens',
    201,
    [],
    json({ name: 'a', expiresAt: '2099-01-01T00:00:00Z', streams: ['images'], names: ['a*'] }),
  );
  await call('POST /tokens', 409, [], json({ name: 'a' }));
  await call('POST /tokens', 422, [], json({ name: 1 }));
  await call('GET /tokens', 200);
  await call('DELETE /tokens/{token}', 204, ['a']);
  await call('DELETE /tokens/{token}', 404, ['a']);
  for (const [name, digit] of [
    ['one', '1'],
    ['two', '2'],
  ] as const) {
    const fingerprint = `${'a'.repeat(12)}${digit}`.padEnd(64, '0');
    await catalog.clients.add({
      name,
      fingerprint,
      certificate: 'PEM',
      actions: ['read'],
      streams: ['pushed'],
    });
  }
  await call('DELETE /clients/{client}', 409, ['a'.repeat(12)]);
  await call('DELETE /clients/{client}', 204, ['one']);
  await call('DELETE /clients/{client}', 404, ['one']);
  await call('GET /clients', 200);
  await call('GET /storage', 200);
  await call('POST /storage/scrub', 202);
  await call('GET /storage/scrub', 200);
  await expect
    .poll(async () => JSON.parse((await call('GET /storage/scrub', 200)).body.toString()), {
      timeout: 20_000,
    })
    .toMatchObject({ running: false });
  const other = { catalog: 'another', revision: 7, mark: 'x', at: '2026-01-01T00:00:00.000Z' };
  await server.workspace.store.writeRecord('owner', JSON.stringify(other));
  await call('POST /storage/scrub', 409);
  await adoptStore(catalog, server.workspace.store);
  // Without a signing key.
  await call('POST /bundles/{site}', 409, ['vault-7']);
  await call('GET /audit', 200, [], { query: '?limit=2' });
  await call('GET /audit', 422, [], { query: '?limit=none' });
  await call('DELETE /products/{product}/versions/{serial}', 422, [product, serial], { query: '?withdraw=' });
  await call('DELETE /products/{product}/versions/{serial}', 204, [product, serial]);
  await call('DELETE /products/{product}/versions/{serial}', 404, [product, serial]);

  // A token that is no token, anywhere; none, and one that allows too little, where an action is demanded.
  const reader = await server.token(['read'], ['none']);
  for (const [key, { action, body }] of Object.entries(operations)) {
    const values =
      key.startsWith('HEAD /blobs') || key.startsWith('PUT /blobs') ? [nothing] : ['debian', 'x'];
    const given = body === undefined ? {} : json({});
    await call(key, 401, values, { token: 'nonsense', ...given });
    if (action !== undefined) await call(key, 403, values, { token: reader, ...given });
  }

  // Every success was there, and every failure that is the operation's own.
  const seen = [...caller.seen, ...(await answersAboutBundles())];
  for (const [key, { answers }] of Object.entries(operations)) {
    for (const status of Object.keys(answers)) expect(seen).toContain(`${key} ${status}`);
  }
});

/** Bundles in and out, at a site that has a key and receives images of another one. @returns what was seen */
async function answersAboutBundles(): Promise<Set<string>> {
  const hq = await SendingSite.make();
  await hq.publish('bookworm', '20260101_0000');
  const { key } = await scratchKey();
  const mirrors = [siteDefinition({ keyring: hq.keyring }), definition('http://127.0.0.1:1', { name: 'up' })];
  const server = await TestServer.start({ signing: { key } }, mirrors);
  const caller = new Caller(server, await server.token(['admin']));
  const [take, give] = ['POST /mirrors/{mirror}/bundle', 'POST /bundles/{site}'];
  const nonsense = Buffer.alloc(20_000);
  await caller.call(take, 422, ['hq'], { body: nonsense });
  await caller.call(take, 404, ['none'], { body: nonsense });
  await caller.call(take, 409, ['up'], { body: nonsense });
  await caller.call(take, 200, ['hq'], { body: await hq.stream() });
  await caller.call(give, 200, ['vault-7']);
  await caller.call(give, 404, ['vault-7'], { body: JSON.stringify({ again: 9 }) });
  await caller.call(give, 422, ['vault-7'], { body: JSON.stringify({ since: 'never' }) });
  return caller.seen;
}

test('every answer with a body has its schema, and every error the one of errors', () => {
  for (const [path, entry] of Object.entries(describeApi().paths)) {
    for (const [method, operation] of Object.entries(entry)) {
      const { responses } = operation as { responses: Record<string, { content?: object }> };
      expect(Object.keys(responses), `${method} ${path}`).toEqual(
        expect.arrayContaining(['401', '500', '503']),
      );
      for (const [status, { content }] of Object.entries(responses)) {
        const empty = method === 'head' || status === '204';
        expect(content === undefined, `${method} ${path} ${status}`).toBe(empty);
      }
    }
  }
});
