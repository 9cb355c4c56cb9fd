import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { BodyWatch } from '../../../src/http/connection/body-watch.ts';
import { Listener } from '../../../src/http/connection/listener.ts';
import type { OnRefused } from '../../../src/http/connection/refusals.ts';
import { ServerCertificate } from '../../../src/http/connection/server-certificate.ts';
import { scratchDirectory } from '../../support/catalog.ts';
import { joinSecret, RegistryClient } from '../../support/registry-client.ts';
import { TestServer } from '../../support/server.ts';

// Requests that nobody sends who means well. Whatever they do, the server answers the next one, and neither time nor
// memory goes on growing.

const shared = 'a secret that is shared';
/** One for all: whatever a test sends to it, it answers those of the next. */
let server: TestServer;
let dataDir: string;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'headwater-test-'));
  server = await TestServer.open({ dataDir }, [], { HEADWATER_JOIN_SECRET: shared });
});

afterEach(async () => {
  expect((await server.request('/healthz')).status).toBe(200);
});

afterAll(async () => {
  await server.close();
  await rm(dataDir, { recursive: true });
});

/** A connection over TLS on which anything can be said. */
async function speak(text: string | Buffer): Promise<{ socket: Socket; answer: Promise<string> }> {
  const socket = connectTls({ port: server.server.port, host: '127.0.0.1', rejectUnauthorized: false });
  onTestFinished(() => void socket.destroy());
  let heard = '';
  const answer = new Promise<string>((resolve) => {
    socket.on('data', (data: Buffer) => {
      heard += data.toString('latin1');
    });
    socket.on('error', () => undefined).once('close', () => resolve(heard));
  });
  await new Promise<void>((resolve) => socket.once('secureConnect', resolve));
  socket.write(text);
  return { socket, answer };
}

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64');

describe('join tokens', () => {
  test.each([
    ['of nothing', encode({})],
    ['with a secret that is none', encode({ client_name: 'x', secret: 'hw_forged', addresses: ['a'] })],
    ['with a secret that is no text', encode({ secret: { $ne: null } })],
    ['that is a number', encode(5)],
    ['that is no JSON', Buffer.from('{"secret":').toString('base64')],
    ['without letters', '===='],
    ['with control characters', '\u0000\u001b[2J'],
  ])('a forged one is refused: %s', async (_, token) => {
    const client = await RegistryClient.create(server);
    const before = await server.workspace.catalog.clients.list();
    expect(await client.join({ trust_token: token })).toMatchObject({ status: 403, type: 'error' });
    expect(await client.join({ password: token })).toMatchObject({ status: 403, type: 'error' });
    expect(await server.workspace.catalog.clients.list()).toEqual(before);
  });

  test('one that expired is refused, and so is one that was revoked', async () => {
    const client = await RegistryClient.create(server);
    const expired = await joinSecret(server, { expiresAt: new Date(Date.now() - 1) });
    expect((await client.join({ trust_token: expired })).status).toBe(403);
    const revoked = await joinSecret(server, { name: 'revoked' });
    await server.workspace.catalog.tokens.revoke('revoked');
    expect((await client.join({ trust_token: revoked })).status).toBe(403);
  });

  test('after ten wrong guesses not even the right secret is looked at, but a join token is', async () => {
    const own = await TestServer.start({}, [], { HEADWATER_JOIN_SECRET: shared });
    const client = await RegistryClient.create(own);
    for (let guess = 0; guess < 10; guess++) await client.join({ password: `guess ${guess}` });
    const refused = await client.join({ password: shared });
    expect(refused.status).toBe(403);
    expect(refused.error).toContain('too many');
    expect((await client.join({ password: await joinSecret(own) })).status).toBe(201);
  });

  test('a token of 10 MB is not read', async () => {
    const client = await RegistryClient.create(server);
    const answer = await client.join({ password: 'A'.repeat(10_000_000) });
    expect(answer).toMatchObject({ status: 413, type: 'error' });
  });

  test.each([
    ['no JSON', 'password=x'],
    ['of another shape', '[[[['.repeat(10_000)],
    ['deep', `${'['.repeat(100_000)}${']'.repeat(100_000)}`],
    ['of wrong types', '{"password": {"length": 5}, "type": ["client"]}'],
    ['with a prototype', '{"__proto__": {"password": "x"}}'],
  ])('a body is refused that is %s', async (_, body) => {
    const client = await RegistryClient.create(server);
    const answer = await client.request('POST', '/1.0/certificates', { body: Buffer.from(body) });
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(500);
    expect(answer.type).toBe('error');
  });
});

describe('secrets of others', () => {
  test.each(['', 'undefined', 'another secret', 'the secre', 'the secret\u0000'])(
    'an operation is not shown for the secret %j',
    async (secret) => {
      const owner = await RegistryClient.joined(server);
      const client = await server.workspace.catalog.clients.authenticate(owner.fingerprint);
      if (client === undefined) throw new Error('the owner has not joined');
      const operation = server.server.operations.token({
        description: 'x',
        identity: { kind: 'client', ...client },
        metadata: { secret: 'the secret' },
        lifetime: 60_000,
      });
      const other = await RegistryClient.joined(server);
      for (const client of [other, RegistryClient.anonymous(server)]) {
        const query = `secret=${encodeURIComponent(secret)}`;
        for (const path of ['', '/wait']) {
          const answer = await client.get(`/1.0/operations/${operation.id}${path}?${query}`);
          expect(answer.status).toBe(404);
        }
        const cancelled = await client.request('DELETE', `/1.0/operations/${operation.id}?${query}`);
        expect(cancelled.status).toBe(404);
      }
      expect(operation.ended).toBe(false);
    },
  );

  test.each(['a', 'a'.repeat(11), '%', '*', '_'.repeat(12), 'g'.repeat(64)])(
    'a certificate is not found by %j',
    async (prefix) => {
      const administrator = await RegistryClient.joined(server, { role: 'admin' });
      const path = `/1.0/certificates/${encodeURIComponent(prefix)}`;
      for (const method of ['GET', 'DELETE']) {
        expect((await administrator.request(method, path)).status).toBe(400);
      }
      expect((await administrator.get('/1.0')).metadata['auth']).toBe('trusted');
    },
  );
});

describe('paths and headers', () => {
  test.each([
    '/1.0/images/%00',
    '/1.0/images/a%0d%0aSet-Cookie:%20b',
    '/1.0/%7f',
    '/1.0/operations/%1b%5b2J',
  ])('a path with control characters is refused: %s', async (path) => {
    const client = await RegistryClient.joined(server);
    const answer = await client.get(path);
    expect(answer).toMatchObject({ status: 400, type: 'error' });
    expect(answer.headers['set-cookie']).toBeUndefined();
    expect(answer.error).not.toMatch(/[\u0000-\u001f\u007f]/);
  });

  test.each(['/1.0/%', '/1.0/%zz', '/1.0/images/%c0%af', '/1.0/../etc/passwd', '/1.0/images/%2e%2e%2fx'])(
    'a path that cannot be read is refused: %s',
    async (path) => {
      const client = await RegistryClient.joined(server);
      const { status, type } = await client.get(path);
      expect([400, 404]).toContain(status);
      expect(type).toBe('error');
    },
  );

  test.each([
    ['a control character in a header', 'GET /1.0 HTTP/1.1\r\nHost: x\r\nX-LXD-filename: a\u0001b\r\n\r\n'],
    ['NUL in a header', 'GET /1.0 HTTP/1.1\r\nHost: x\r\nX-LXD-filename: a\u0000b\r\n\r\n'],
    ['a line feed in a path', 'GET /1.0\n/images HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['NUL in a path', 'GET /1.0/\u0000 HTTP/1.1\r\nHost: x\r\n\r\n'],
    [
      'two lengths',
      'POST /1.0/images HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
    ],
    [
      'a length beside chunks',
      'POST /1.0/images HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['a header of 40 kB', `GET /1.0 HTTP/1.1\r\nHost: x\r\nX-LXD-properties: ${'a'.repeat(40_000)}\r\n\r\n`],
    ['no HTTP', 'SSH-2.0-hello\r\n\r\n'],
  ])('what is no request is refused and the connection closed: %s', async (_, text) => {
    const { answer } = await speak(Buffer.from(text, 'latin1'));
    // The connection may break under what is still on its way before the answer is read.
    expect(await answer).toMatch(/^(HTTP\/1\.1 4\d\d |$)/);
  });

  test('a million headers are not collected', async () => {
    const { socket, answer } = await speak('GET /1.0 HTTP/1.1\r\nHost: x\r\n');
    const before = process.memoryUsage().rss;
    const thousand = 'X-Header: y\r\n'.repeat(1000);
    for (let sent = 0; sent < 1000 && !socket.destroyed; sent++) {
      if (!socket.write(thousand)) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await answer).toMatch(/^(HTTP\/1\.1 431 |$)/);
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 2 ** 20);
  });
});

describe('bodies without end', () => {
  test('are read for a moment where nobody wants them, then the connection is closed', async () => {
    const { socket, answer } = await speak(
      'POST /1.0/nothing HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n',
    );
    const chunk = Buffer.concat([Buffer.from('10000\r\n'), Buffer.alloc(0x10000), Buffer.from('\r\n')]);
    let sent = 0;
    while (!socket.destroyed && sent < 2 ** 30) {
      sent += chunk.length;
      socket.write(chunk);
      while (socket.writableNeedDrain && !socket.destroyed)
        await new Promise((resolve) => setImmediate(resolve));
    }
    expect(sent).toBeLessThan(2 ** 28);
    expect(await answer).toMatch(/^(HTTP\/1\.1 404 |$)/);
  });
});

describe('events', () => {
  test('a client that talks on the connection for events is cut off, others go on', async () => {
    const client = await RegistryClient.joined(server);
    const [talking, quiet] = [await client.events(), await client.events()];
    const closed = new Promise<number>((resolve) => talking.socket.once('close', resolve));
    talking.socket.send(Buffer.alloc(10 * 2 ** 20));
    expect(await closed).toBe(1009);
    expect(quiet.socket.readyState).toBe(quiet.socket.OPEN);
  });

  test.each([
    [
      'with another method',
      'POST',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n',
    ],
    ['without a key', 'GET', 'Sec-WebSocket-Version: 13\r\n'],
    [
      'of another version',
      'GET',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 99\r\n',
    ],
  ])('a handshake is refused %s', async (_, method, headers) => {
    const token = await server.token(['publish']);
    const { answer } = await speak(
      `${method} /1.0/events HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        `Authorization: Bearer ${token}\r\n${headers}\r\n`,
    );
    expect(await answer).toMatch(/^HTTP\/1\.1 4\d\d /);
  });
});

describe('slow clients', () => {
  const timeouts = { handshake: 200, headers: 200, look: 50 };

  async function listen(
    handler: Parameters<typeof createServer>[1] & object,
    onRefused: OnRefused = () => undefined,
  ): Promise<number> {
    const certificate = await ServerCertificate.open({
      tls: 'self-signed',
      dataDir: await scratchDirectory(),
    });
    const listener = new Listener({
      tls: certificate?.files,
      timeouts,
      gate: { admit: () => true, onRefused },
    });
    listener.handle(handler, (_request, socket) => socket.destroy());
    const port = await listener.listen('127.0.0.1', 0);
    onTestFinished(() => listener.close(0));
    return port;
  }

  /** Resolves when the other side has closed the connection. */
  async function cut(socket: Socket): Promise<void> {
    onTestFinished(() => void socket.destroy());
    socket.on('data', () => undefined).on('error', () => undefined);
    await new Promise((resolve) => socket.once('close', resolve));
  }

  test.each(['GET / HTTP/1.1\r\nHost: x\r\n', 'G'])(
    'headers that never end are not waited for: %j',
    async (text) => {
      const refused: string[] = [];
      const port = await listen(
        (_request, response) => response.end(),
        (reason, address) => refused.push(`${reason} ${address}`),
      );
      const plain = connect(port, '127.0.0.1', () => plain.write(text));
      const secure = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false }, () =>
        secure.write(text),
      );
      const told: string[] = [];
      for (const socket of [plain, secure])
        socket.setEncoding('utf8').on('data', (part: string) => told.push(part));
      await Promise.all([cut(plain), cut(secure)]);
      const answer = 'HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n';
      expect(told).toEqual([answer, answer]);
      expect(refused).toEqual(['slowHeaders 127.0.0.1', 'slowHeaders 127.0.0.1']);
    },
  );

  test('nor is a handshake that never ends, nor a request that never begins', async () => {
    const port = await listen((_request, response) => response.end());
    const half = connect(port, '127.0.0.1', () => half.write(Buffer.from([0x16, 3, 1])));
    const silent = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
    await Promise.all([cut(half), cut(silent)]);
  });

  describe('with a body', () => {
    let http: Server;
    let socket: Socket;

    /** A request whose body is sent byte by byte, to a server that does with it as it likes. */
    async function trickle(handler: Parameters<typeof createServer>[1] & object): Promise<void> {
      const bodies = new BodyWatch({ checkInterval: 20, minBytes: 100, maxSlowChecks: 3 });
      http = createServer((request, response) => {
        bodies.watch(request, response);
        handler(request, response);
      });
      onTestFinished(() => {
        http.close();
        bodies.close();
      });
      await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
      socket = connect((http.address() as AddressInfo).port, '127.0.0.1');
      socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n');
      const timer = setInterval(() => socket.write('.'), 5);
      onTestFinished(() => clearInterval(timer));
    }

    test('that trickles, the connection is closed', async () => {
      await trickle((request) => void request.resume());
      await cut(socket);
    });

    test('that goes on after its answer, too', async () => {
      await trickle((_request, response) => void response.end('enough'));
      await cut(socket);
    });

    test('that waits because the server is slow, it is not', async () => {
      let ended = false;
      await trickle((request) => {
        request.pause();
        setTimeout(() => {
          ended = true;
          request.resume();
        }, 500);
      });
      await cut(socket);
      expect(ended).toBe(true);
    });
  });
});
