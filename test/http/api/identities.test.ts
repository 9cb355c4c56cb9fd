import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import type { AuditEntry } from '../../../src/catalog/audit.ts';
import type { PublishRequest } from '../../../src/publish/request.ts';
import { RegistryClient } from '../../support/registry-client.ts';
import { TestServer } from '../../support/server.ts';
import { makeSmallImage } from '../../support/small-images.ts';

async function files(): Promise<PublishRequest['files']> {
  const image = await makeSmallImage({ size: 4096 });
  return [image.metadata, image.root].map((path) => ({ from: 'disk', name: path, path }));
}

/** A token for the API, made by the API. */
async function makeToken(server: TestServer, body: Record<string, unknown>): Promise<string> {
  const admin = await server.token(['admin']);
  const answer = await server.request('/api/v1/tokens', {
    method: 'POST',
    token: admin,
    body: JSON.stringify(body),
  });
  expect(answer.status).toBe(201);
  return (answer.json() as { secret: string }).secret;
}

describe('a token for some names', () => {
  test('sets and unsets aliases with such names only', async () => {
    const server = await TestServer.start();
    await server.publish({ files: await files() });
    const token = await makeToken(server, { name: 'team', names: ['team/*'], role: 'publish' });
    const set = async (alias: string) => {
      const body = JSON.stringify({ os: 'debian', release: 'bookworm', variant: 'default' });
      const path = `/api/v1/aliases/${encodeURIComponent(alias)}`;
      return (await server.request(path, { method: 'PUT', token, body })).status;
    };
    expect(await set('team/app')).toBe(204);
    expect(await set('other/app')).toBe(403);
    const unset = async (alias: string) =>
      (await server.request(`/api/v1/aliases/${encodeURIComponent(alias)}`, { method: 'DELETE', token }))
        .status;
    expect(await unset('debian/bookworm')).toBe(403);
    expect(await unset('team/app')).toBe(204);
  });

  test('removes versions of such products only', async () => {
    const server = await TestServer.start();
    const { product, serial } = await server.publish({ files: await files() });
    const path = `/api/v1/products/${encodeURIComponent(product)}/versions/${serial}`;
    const remove = async (names: string[]) => {
      const token = await makeToken(server, { name: names.join(), names, role: 'publish' });
      return (await server.request(path, { method: 'DELETE', token })).status;
    };
    expect(await remove(['fedora/*'])).toBe(403);
    expect(await remove(['debian/*'])).toBe(204);
  });

  test('publishes such products only, whatever the metadata claims, and with such aliases only', async () => {
    const server = await TestServer.start();
    const image = await makeSmallImage({ size: 4096 });
    const blobs = await Promise.all([image.metadata, image.root].map((path) => readFile(path)));
    const publish = async (names: string[], aliases: string[] = []) => {
      const token = await makeToken(server, { name: `${names} ${aliases}`, names });
      const digests: { digest: string }[] = [];
      for (const body of blobs) {
        const digest = `sha256:${createHash('sha256').update(body).digest('hex')}`;
        await server.request(`/api/v1/blobs/${digest}`, { method: 'PUT', token, body });
        digests.push({ digest });
      }
      const body = JSON.stringify({ files: digests, aliases });
      const answer = await server.request('/api/v1/versions', { method: 'POST', token, body });
      return answer.status;
    };
    expect(await publish(['team/*'])).toBe(403);
    expect(await publish(['team/*'], ['team/app'])).toBe(403);
    expect(await publish(['debian/*'], ['team/app'])).toBe(403);
    expect(await publish(['debian/*', 'team/*'], ['team/app'])).toBe(201);
  });

  test('reads no document of a stream that is not public, and of its products those with such names', async () => {
    const server = await TestServer.start({ streams: { internal: { public: false } } });
    await server.publish({ files: await files(), stream: 'internal' });
    const some = await makeToken(server, { name: 'some', names: ['debian/*'], actions: ['read'] });
    const other = await makeToken(server, { name: 'other', names: ['fedora/*'], actions: ['read'] });
    const all = await makeToken(server, { name: 'all', actions: ['read'] });
    const products = async (token: string) =>
      ((await server.request('/api/v1/products', { token })).json() as { products: unknown[] }).products
        .length;
    const document = async (token: string) =>
      (await server.request('/streams/v1/internal.json', { token })).status;
    expect([await products(some), await products(other), await products(all)]).toEqual([1, 0, 1]);
    await expect.poll(async () => await document(all)).toBe(200);
    expect([await document(some), await document(other)]).toEqual([404, 404]);
  });
});

describe('making tokens', () => {
  test('is not for an administrator of some names: it could give itself all of them', async () => {
    const server = await TestServer.start();
    const token = await makeToken(server, { name: 'some', role: 'admin', names: ['team/*'] });
    const body = JSON.stringify({ name: 'all', role: 'admin' });
    expect((await server.request('/api/v1/tokens', { method: 'POST', token, body })).status).toBe(403);
    expect((await server.request('/api/v1/clients', { token })).status).toBe(403);
  });

  test('one to join with holds what a client needs, and can be used', async () => {
    const server = await TestServer.start();
    const secret = await makeToken(server, { name: 'laptop', purpose: 'join', names: ['team/*'] });
    const token = JSON.parse(Buffer.from(secret, 'base64').toString()) as Record<string, unknown>;
    expect(token).toMatchObject({
      client_name: 'laptop',
      fingerprint: server.server.fingerprint,
      addresses: [`127.0.0.1:${server.server.port}`],
      expires_at: '0001-01-01T00:00:00Z',
    });
    const client = await RegistryClient.create(server);
    expect((await client.join({ password: secret })).status).toBe(201);
    expect((await client.join({ password: secret })).status).toBe(403);
  });

  test('is refused where a proxy does TLS: nothing is made', async () => {
    const server = await TestServer.start({ tls: 'off' });
    const admin = await server.token(['admin']);
    const answer = await server.request('/api/v1/tokens', {
      method: 'POST',
      scheme: 'http',
      token: admin,
      body: JSON.stringify({ name: 'laptop', purpose: 'join' }),
    });
    expect(answer.status).toBe(422);
    expect(await server.workspace.catalog.tokens.list()).toHaveLength(1);
  });

  test.each([
    [{ role: 'owner' }],
    [{ role: 'read', actions: ['read'] }],
    [{ names: ['a b'] }],
    [{ streams: ['UPPER CASE'] }],
    [{ purpose: 'play' }],
  ])('is refused with %j', async (wrong) => {
    const server = await TestServer.start();
    const token = await server.token(['admin']);
    const body = JSON.stringify({ name: 'x', ...wrong });
    expect((await server.request('/api/v1/tokens', { method: 'POST', token, body })).status).toBe(422);
  });
});

describe('clients and the audit log', () => {
  test('are for administrators', async () => {
    const server = await TestServer.start();
    const token = await server.token(['read', 'publish', 'remove']);
    for (const path of ['/api/v1/clients', '/api/v1/audit']) {
      expect((await server.request(path)).status).toBe(401);
      expect((await server.request(path, { token })).status).toBe(403);
    }
  });

  test('a client is revoked by its name, its id or its fingerprint', async () => {
    const server = await TestServer.start();
    const token = await server.token(['admin']);
    for (const pick of ['name', 'id', 'fingerprint'] as const) {
      const client = await RegistryClient.joined(server, { name: `by ${pick}` });
      const { clients } = (await server.request('/api/v1/clients', { token })).json() as {
        clients: { name: string; id: string; fingerprint: string; certificate?: string }[];
      };
      const found = clients.find(({ name }) => name === `by ${pick}`);
      const path = `/api/v1/clients/${encodeURIComponent(found?.[pick] ?? '')}`;
      expect((await server.request(path, { method: 'DELETE', token })).status).toBe(204);
      expect((await server.request(path, { method: 'DELETE', token })).status).toBe(404);
      expect((await client.get('/1.0')).metadata['auth']).toBe('untrusted');
    }
  });

  test('the log names who asked and from where, by pages', async () => {
    const server = await TestServer.start();
    const token = await makeToken(server, { name: 'root', role: 'admin' });
    for (const name of ['a', 'b', 'c']) {
      await server.request('/api/v1/tokens', { method: 'POST', token, body: JSON.stringify({ name }) });
    }
    const page = async (query: string) =>
      (await server.request(`/api/v1/audit?${query}`, { token })).json() as {
        entries: AuditEntry[];
        next?: number;
      };
    const first = await page('who=token:root&limit=2');
    expect(first.entries).toMatchObject([
      { who: 'token:root', from: '127.0.0.1', action: 'token.create', subject: 'c' },
      { subject: 'b' },
    ]);
    const second = await page(`who=token:root&limit=2&before=${first.next}`);
    expect(second.entries.map(({ subject }) => subject)).toEqual(['a']);
    expect(second.next).toBeUndefined();
    expect((await page('since=2999-01-01')).entries).toEqual([]);
    for (const wrong of ['since=yesterday', 'limit=0', 'before=x']) {
      expect((await server.request(`/api/v1/audit?${wrong}`, { token })).status).toBe(422);
    }
  });
});
