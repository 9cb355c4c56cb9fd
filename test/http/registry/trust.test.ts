import { describe, expect, test } from 'vitest';
import { joinSecret, RegistryClient } from '../../support/registry-client.ts';
import { TestServer } from '../../support/server.ts';

const shared = 'a secret that is shared';

async function startWithSecret(): Promise<TestServer> {
  return await TestServer.start({}, [], { HEADWATER_JOIN_SECRET: shared });
}

describe('a client that nobody knows', () => {
  test('is told what the server is, and no more', async () => {
    const client = await RegistryClient.create(await TestServer.start());
    expect((await client.get('/')).metadata).toEqual(['/1.0']);
    const { status, metadata } = await client.get('/1.0');
    expect(status).toBe(200);
    expect(metadata).toMatchObject({ auth: 'untrusted', public: false, auth_methods: ['tls'] });
    expect(metadata).not.toHaveProperty('environment');
  });

  test('is told that it is not authorized when its secret is wrong, in the envelope of LXD', async () => {
    const client = await RegistryClient.create(await startWithSecret());
    const answer = await client.join({ password: 'another secret' });
    expect(answer).toMatchObject({ status: 403, type: 'error', error_code: 403, metadata: null });
    expect(answer.error).toContain('not authorized: the secret is wrong');
    const token = await client.join({ password: 'hw_unknown' });
    expect(token.error).toContain('not authorized: the join token is unknown');
  });

  test('cannot join without a certificate', async () => {
    const server = await startWithSecret();
    const answer = await RegistryClient.anonymous(server).join({ password: shared });
    expect(answer).toMatchObject({ status: 400, type: 'error' });
  });
});

describe('joining', () => {
  test.each([
    ['the secret, as Incus sends it', (secret: string) => ({ trust_token: secret })],
    ['the secret, as LXD 5.0 sends it', (secret: string) => ({ password: secret })],
    [
      'the whole token, as LXD 5.0 sends it',
      (secret: string) => ({ password: Buffer.from(JSON.stringify({ secret })).toString('base64') }),
    ],
  ])('with a join token: %s', async (_, say) => {
    const server = await TestServer.start();
    const client = await RegistryClient.create(server);
    const answer = await client.join(say(await joinSecret(server, { name: 'laptop' })));
    expect(answer).toMatchObject({ status: 201, type: 'sync', status_code: 201 });
    const { metadata } = await client.get('/1.0');
    expect(metadata).toMatchObject({
      auth: 'trusted',
      environment: { addresses: [`127.0.0.1:${server.server.port}`], project: 'default' },
    });
    expect(await server.workspace.catalog.clients.list()).toMatchObject([
      {
        name: 'laptop',
        fingerprint: client.fingerprint,
        actions: ['read', 'publish', 'remove'],
        streams: ['pushed'],
      },
    ]);
  });

  test('a join token lets one client in, once', async () => {
    const server = await TestServer.start();
    const secret = await joinSecret(server);
    const [first, second] = [await RegistryClient.create(server), await RegistryClient.create(server)];
    const answers = await Promise.all([
      first.join({ trust_token: secret }),
      second.join({ trust_token: secret }),
    ]);
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 403]);
    expect((await second.join({ trust_token: secret })).status).toBe(403);
  });

  test('a join token is no token of the HTTP API, and the other way round', async () => {
    const server = await TestServer.start();
    const secret = await joinSecret(server, { role: 'admin' });
    expect((await server.request('/api/v1/tokens', { token: secret })).status).toBe(401);
    const client = await RegistryClient.create(server);
    expect((await client.join({ trust_token: await server.token(['admin']) })).status).toBe(403);
  });

  test('with the shared secret: any number of clients, each with a name of its own', async () => {
    const server = await startWithSecret();
    const [one, two] = [await RegistryClient.create(server), await RegistryClient.create(server)];
    expect((await one.join({ password: shared })).status).toBe(201);
    expect((await two.join({ trust_token: shared })).status).toBe(201);
    const clients = await server.workspace.catalog.clients.list();
    expect(new Set(clients.map(({ name }) => name)).size).toBe(2);
    expect(clients.every(({ streams }) => streams?.join() === 'pushed')).toBe(true);
  });

  test('a client that joins again with the shared secret keeps what it was given', async () => {
    const server = await startWithSecret();
    const client = await RegistryClient.joined(server, { role: 'admin' });
    expect((await client.join({ password: shared })).status).toBe(201);
    expect(await server.workspace.catalog.clients.list()).toMatchObject([{ actions: ['admin'] }]);
  });

  test('a client that joins again with a token gets the rights of the token', async () => {
    const server = await TestServer.start();
    const client = await RegistryClient.joined(server);
    expect((await client.join({ trust_token: await joinSecret(server, { role: 'read' }) })).status).toBe(201);
    const clients = await server.workspace.catalog.clients.list();
    const inForce = clients.filter(({ revokedAt }) => revokedAt === undefined);
    expect(inForce).toMatchObject([{ fingerprint: client.fingerprint, actions: ['read'] }]);
  });

  test('the name of a client is not given to another one, not even when it is revoked', async () => {
    const server = await TestServer.start();
    const token = await joinSecret(server, { name: 'laptop' });
    const first = await RegistryClient.create(server);
    expect((await first.join({ trust_token: token })).status).toBe(201);
    const second = await RegistryClient.create(server);
    const another = { trust_token: await joinSecret(server, { name: 'laptop' }) };
    expect(await second.join(another)).toMatchObject({ status: 409, type: 'error' });
    await server.workspace.catalog.clients.revoke('laptop');
    const refused = await second.join(another);
    expect(refused).toMatchObject({ status: 409, error: expect.stringMatching(/was revoked/) as unknown });
    expect((await first.join(another)).status, 'it is its own').toBe(201);
  });

  test('the name that a client had before it joined with another stays its own', async () => {
    const server = await startWithSecret();
    const client = await RegistryClient.joined(server, { name: 'laptop' });
    await client.join({ trust_token: await joinSecret(server, { name: 'desk' }) });
    const other = await RegistryClient.create(server);
    const again = { trust_token: await joinSecret(server, { name: 'laptop' }) };
    expect((await other.join(again)).status).toBe(409);
  });

  test('a certificate that was revoked is let in again by a join token only', async () => {
    const server = await startWithSecret();
    const client = await RegistryClient.create(server);
    expect((await client.join({ password: shared })).status).toBe(201);
    await server.workspace.catalog.clients.revoke(client.fingerprint);
    const refused = await client.join({ password: shared });
    expect(refused).toMatchObject({ status: 403, type: 'error' });
    expect(refused.error).toMatch(/was revoked: ask for a join token/);
    expect((await client.get('/1.0')).metadata['auth']).toBe('untrusted');
    expect((await client.join({ password: await joinSecret(server) })).status).toBe(201);
  });

  test('a name that was revoked is not taken over with the shared secret', async () => {
    const server = await startWithSecret();
    const [one, two] = [await RegistryClient.create(server), await RegistryClient.create(server)];
    await one.join({ password: shared, name: 'ci' });
    await server.workspace.catalog.clients.revoke('ci');
    expect((await two.join({ password: shared, name: 'ci' })).status).toBe(201);
    const names = (await server.workspace.catalog.clients.list()).map(({ name }) => name);
    expect(names).toEqual(['ci', `ci-${two.fingerprint.slice(0, 12)}`]);
  });
});

describe('a client that has joined', () => {
  test('is refused from the next request on when it is revoked, on the connection it has', async () => {
    const server = await TestServer.start();
    const client = await RegistryClient.joined(server, { name: 'laptop' });
    expect((await client.get('/1.0')).metadata['auth']).toBe('trusted');
    await server.workspace.catalog.clients.revoke(client.fingerprint.slice(0, 12));
    expect((await client.get('/1.0')).metadata['auth']).toBe('untrusted');
    expect((await client.get('/1.0/certificates')).status).toBe(403);
  });

  test('sees itself among the certificates, an administrator all of them', async () => {
    const server = await TestServer.start();
    const [one, administrator] = [
      await RegistryClient.joined(server),
      await RegistryClient.joined(server, { role: 'admin' }),
    ];
    const own = `/1.0/certificates/${one.fingerprint}`;
    expect((await one.get('/1.0/certificates')).metadata).toEqual([own]);
    expect((await administrator.get('/1.0/certificates?recursion=1')).metadata).toMatchObject([
      { fingerprint: one.fingerprint, restricted: true },
      { fingerprint: administrator.fingerprint, restricted: false },
    ]);
    expect((await one.get(`/1.0/certificates/${administrator.fingerprint}`)).status).toBe(404);
    expect((await one.get('/1.0/certificates/a')).status).toBe(400);
    expect((await administrator.request('DELETE', own)).status).toBe(200);
    expect((await one.get('/1.0/certificates')).status).toBe(403);
  });

  test('may use the HTTP API as far as its role goes', async () => {
    const server = await TestServer.start();
    const reader = await RegistryClient.joined(server, { role: 'read' });
    const administrator = await RegistryClient.joined(server, { role: 'admin' });
    expect((await reader.get('/api/v1/tokens')).status).toBe(403);
    expect((await administrator.get('/api/v1/tokens')).status).toBe(200);
  });
});

test('two servers differ in their names, whatever machine and certificate they share', async () => {
  const names = [];
  for (const server of [await TestServer.start(), await TestServer.start()]) {
    const client = await RegistryClient.joined(server);
    const { environment } = (await client.get('/1.0')).metadata as { environment: { server_name: string } };
    names.push(environment.server_name);
  }
  expect(names[0]).not.toBe(names[1]);
});

test('what is not there is not found, in the envelope of LXD', async () => {
  const client = await RegistryClient.joined(await TestServer.start());
  for (const path of ['/1.0/nothing', '/1.0/operations/nothing']) {
    expect(await client.get(path)).toMatchObject({ status: 404, type: 'error', error_code: 404 });
  }
  for (const path of ['/1.0/profiles', '/1.0/instances']) {
    expect((await client.get(path)).error).toContain(`${path}: this is an image registry`);
  }
});

test('plain HTTP beside TLS sends the clients of LXD to https', async () => {
  const server = await TestServer.start();
  const answer = await server.request('/1.0', { scheme: 'http' });
  expect(answer.status).toBe(308);
  expect(answer.headers['location']).toBe(server.url('/1.0'));
});
