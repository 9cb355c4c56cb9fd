import { describe, expect, test } from 'vitest';
import type { Known } from '../../../src/access/access.ts';
import { HeadwaterError } from '../../../src/errors.ts';
import { RegistryClient } from '../../support/registry-client.ts';
import { TestServer } from '../../support/server.ts';

/** The identity of a client that has joined, as the server has it. */
async function identityOf(server: TestServer, client: RegistryClient): Promise<Known> {
  const found = await server.workspace.catalog.clients.authenticate(client.fingerprint);
  if (found === undefined) throw new Error('the client has not joined');
  return { kind: 'client', ...found };
}

function wait(server: TestServer, identity: Known) {
  return server.server.operations.token({
    description: 'Waiting',
    identity,
    metadata: { secret: 'the secret' },
    lifetime: 60_000,
  });
}

describe('/1.0/events', () => {
  test('tells a client of its own operations, and only of those', async () => {
    const server = await TestServer.start();
    const [one, other] = [await RegistryClient.joined(server), await RegistryClient.joined(server)];
    const [heard, silent] = [await one.events('/1.0/events?project=default'), await other.events()];
    const operation = wait(server, await identityOf(server, one));
    operation.report({ download_progress: '50%' });
    operation.fail('the quota is used up');
    await expect.poll(() => heard.statusesOf(operation.id)).toEqual(['Running', 'Running', 'Failure']);
    const [event] = heard.events;
    expect(event).toMatchObject({ type: 'operation', project: 'default' });
    expect(silent.events).toEqual([]);
    expect((await one.get(`/1.0/operations/${operation.id}`)).metadata['err']).toBe('the quota is used up');
  });

  test('is for clients that have joined', async () => {
    const server = await TestServer.start();
    await expect((await RegistryClient.create(server)).events()).rejects.toThrow('403');
    await expect(RegistryClient.anonymous(server).events()).rejects.toThrow('403');
  });

  test('nothing else changes its protocol', async () => {
    const server = await TestServer.start();
    const client = await RegistryClient.joined(server);
    await expect(client.events('/1.0/images')).rejects.toThrow('400');
    expect((await client.get('/1.0')).status).toBe(200);
  });

  test('with 500 listening, each hears, and they cost the server little', async () => {
    const server = await TestServer.start();
    const client = await RegistryClient.joined(server);
    const connections = await Promise.all(Array.from({ length: 500 }, () => client.events()));
    const before = process.memoryUsage().heapUsed;
    const operation = wait(server, await identityOf(server, client));
    for (let percent = 1; percent <= 100; percent++) operation.report({ download_progress: `${percent}%` });
    operation.succeed({});
    await expect
      .poll(
        () => connections.every((connection) => connection.statusesOf(operation.id).at(-1) === 'Success'),
        {
          timeout: 20_000,
        },
      )
      .toBe(true);
    // Both ends are in this process: 50,000 events heard, of some hundred bytes each.
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(400 * 2 ** 20);
    for (const { socket } of connections) socket.close();
    const metrics = async () => (await server.request('/metrics')).body.toString();
    await expect.poll(metrics).toContain('headwater_registry_listeners 0');
  });
});

describe('/1.0/operations', () => {
  test('somebody without a certificate waits with the secret of the operation, and with no other', async () => {
    const server = await TestServer.start();
    const owner = await RegistryClient.joined(server);
    const operation = wait(server, await identityOf(server, owner));
    const stranger = RegistryClient.anonymous(server);
    const path = `/1.0/operations/${operation.id}`;
    const waiting = stranger.get(`${path}/wait?timeout=-1&secret=the%20secret`);
    // Of a parameter that is given several times the first counts, as in LXD.
    for (const query of ['', '?secret=', '?secret=another', '?secret=another&secret=the%20secret']) {
      expect((await stranger.get(`${path}/wait${query}`)).status).toBe(404);
    }
    const other = await RegistryClient.joined(server);
    expect((await other.request('DELETE', path)).status).toBe(404);
    operation.succeed({ fingerprint: 'f' });
    expect((await waiting).metadata).toMatchObject({ status_code: 200, metadata: { fingerprint: 'f' } });
  });

  test('is cancelled by its owner, and the waiting hear it', async () => {
    const server = await TestServer.start();
    const client = await RegistryClient.joined(server);
    const operation = wait(server, await identityOf(server, client));
    const waiting = client.get(`/1.0/operations/${operation.id}/wait`);
    expect((await client.request('DELETE', `/1.0/operations/${operation.id}`)).status).toBe(200);
    expect((await waiting).metadata).toMatchObject({ status: 'Cancelled', status_code: 401 });
    expect((await client.get('/1.0/operations')).metadata).toEqual({
      cancelled: [`/1.0/operations/${operation.id}`],
    });
  });

  test('hundreds wait at once, and those who leave are forgotten', async () => {
    const server = await TestServer.start();
    const client = await RegistryClient.joined(server);
    const identity = await identityOf(server, client);
    const operation = wait(server, identity);
    const path = `/1.0/operations/${operation.id}/wait`;
    expect((await client.get(`${path}?timeout=0`)).metadata['status']).toBe('Running');
    const waiting = Promise.all(Array.from({ length: 300 }, () => client.get(path)));
    const failing = server.server.operations.start({
      description: 'x',
      identity,
      work: () => Promise.reject(new HeadwaterError('invalid', 'no')),
    });
    expect((await client.get(`/1.0/operations/${failing.id}/wait`)).metadata['err']).toBe('no');
    operation.succeed({});
    expect((await waiting).every(({ metadata }) => metadata['status'] === 'Success')).toBe(true);
  });
});

test('a server that stops lets clients hear the end of what goes on, then closes', async () => {
  const server = await TestServer.start({ shutdownTimeout: '20s' });
  const client = await RegistryClient.joined(server);
  const connection = await client.events();
  const identity = await identityOf(server, client);
  let finish: () => void = () => undefined;
  const operation = server.server.operations.start({
    description: 'x',
    identity,
    work: async () => {
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      return {};
    },
  });
  await expect.poll(() => connection.statusesOf(operation.id)).toEqual(['Running']);
  const closed = new Promise((resolve) => connection.socket.once('close', resolve));
  const closing = server.server.close();
  finish();
  await closed;
  expect(connection.statusesOf(operation.id)).toEqual(['Running', 'Success']);
  await closing;
});
