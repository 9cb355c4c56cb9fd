import { once } from 'node:events';
import type { Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { ChildServer, imagePath, PreparedImage } from '../../support/child-server.ts';

const get = (path: string, headers = '') => `GET ${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`;
const polled = { timeout: 20_000, interval: 100 };

let prepared: PreparedImage;
let imageOfShared: PreparedImage;
/** A server with the limits as they are by default, which every test leaves as it found it. */
let shared: ChildServer;
beforeAll(async () => {
  prepared = await PreparedImage.make(24_000_000);
  imageOfShared = await prepared.copy();
  shared = await imageOfShared.open();
});
afterAll(async () => {
  await shared?.end();
  await imageOfShared?.remove();
  await prepared?.remove();
});

/** What arrives on a connection until it has `count` responses or closes; each response with its body. */
async function responses(socket: Socket, count: number): Promise<{ head: string; body: Buffer }[]> {
  const found: { head: string; body: Buffer }[] = [];
  let bytes = Buffer.alloc(0);
  socket.resume();
  for await (const chunk of socket) {
    bytes = Buffer.concat([bytes, chunk as Buffer]);
    for (let end = bytes.indexOf('\r\n\r\n'); end >= 0; end = bytes.indexOf('\r\n\r\n')) {
      const head = bytes.subarray(0, end).toString('latin1');
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
      if (bytes.length < end + 4 + length) break;
      found.push({ head, body: bytes.subarray(end + 4, end + 4 + length) });
      bytes = bytes.subarray(end + 4 + length);
    }
    if (found.length >= count) break;
  }
  return found;
}

async function closed(socket: Socket): Promise<void> {
  socket.resume();
  if (!socket.closed) await once(socket, 'close');
}

describe.each([
  { scheme: 'TLS', plain: false },
  { scheme: 'plain HTTP', plain: true },
])('over $scheme', ({ plain }) => {
  test('a thousand pipelined requests that nobody reads hold one file and no memory', async () => {
    const server = shared;
    expect((await server.request(imagePath)).status).toBe(200);
    const before = { memory: server.memory, descriptors: server.descriptors };
    const sockets = await Promise.all(Array.from({ length: 5 }, () => server.connect({ plain })));
    for (const socket of sockets) socket.write(get(imagePath).repeat(1000));
    await expect.poll(() => server.descriptors, polled).toBeGreaterThanOrEqual(before.descriptors + 10);
    expect((await server.request('/healthz')).status).toBe(200);
    expect(server.descriptors).toBeLessThanOrEqual(before.descriptors + 12);
    expect(server.memory - before.memory).toBeLessThan(100);
    for (const socket of sockets) socket.destroy();
    await expect.poll(() => server.descriptors, polled).toBeLessThanOrEqual(before.descriptors);
  });

  test('pipelined requests are all answered, in their order', async () => {
    const server = shared;
    expect((await server.request(imagePath)).status).toBe(200);
    const socket = await server.connect({ plain });
    const count = 1200;
    let text = '';
    for (let index = 0; index < count; index++)
      text += get(imagePath, `Range: bytes=${index}-${index + (index % 7)}\r\n`);
    socket.write(text);
    const found = await responses(socket, count);
    expect(found).toHaveLength(count);
    found.forEach(({ head, body }, index) => {
      expect(head).toContain(`bytes ${index}-${index + (index % 7)}/`);
      expect(body).toHaveLength(1 + (index % 7));
    });
  });

  test('a client that takes nothing for the timeout is disconnected, logged and counted', async () => {
    const server = await prepared.start(['limits.sendTimeout=4s', 'log.format=json']);
    expect((await server.request(imagePath)).status).toBe(200);
    const before = server.descriptors;
    const sockets = await Promise.all(
      [imagePath, imagePath].map(async (path) => {
        const socket = await server.connect({ plain, from: '127.0.0.9' });
        socket.write(get(path));
        return socket;
      }),
    );
    await expect.poll(() => server.descriptors, polled).toBeGreaterThanOrEqual(before + 4);
    await expect.poll(() => server.descriptors, polled).toBeLessThanOrEqual(before);
    await Promise.all(sockets.map(closed));
    expect(await server.metric('headwater_refused_total{limit="sendTimeout"}')).toBe(2);
    await expect.poll(() => server.log, polled).toMatch(/"limit":"sendTimeout",.*"remote":"127\.0\.0\.9"/);
  });

  test('what a client asked for is released when it hangs up, at any moment', async () => {
    const server = shared;
    expect((await server.request(imagePath)).status).toBe(200);
    const before = server.descriptors;
    for (let round = 0; round < 40; round++) {
      const socket = await server.connect({ plain });
      socket.write(get(imagePath).repeat(1 + (round % 3)));
      if (round % 4 === 1) await once(socket.resume(), 'data');
      if (round % 4 === 2) socket.end();
      else socket.destroy();
      if (round % 4 === 2) await closed(socket);
    }
    await expect.poll(() => server.descriptors, polled).toBeLessThanOrEqual(before);
    expect(await server.metric('headwater_http_requests_under_way')).toBe(1);
  });

  test('an address has its share of connections, others go on, and what closes is free again', async () => {
    const settings = ['limits.connectionsPerAddress=5', 'log.format=json'];
    const server = await ChildServer.start(settings);
    const from = '127.0.0.2';
    const open = () => server.connect({ plain, from });
    const sockets = [];
    for (let count = 0; count < 5; count++) sockets.push(await open());
    for (const socket of sockets) socket.write(get('/healthz'));
    await closed(await open());
    expect(await server.request('/healthz', { from })).toMatchObject({ status: 0 });
    expect((await server.request('/healthz', { from: '127.0.0.3' })).status).toBe(200);
    const refused = 'headwater_refused_total{limit="connectionsPerAddress"}';
    expect(await server.metric(refused, '127.0.0.3')).toBe(2);
    await expect
      .poll(() => server.log, polled)
      .toMatch(new RegExp(`"limit":"connectionsPerAddress",.*"remote":"${from}"`));
    for (const socket of sockets) socket.destroy();
    await expect.poll(async () => (await server.request('/healthz', { from })).status, polled).toBe(200);
  });
});

test('when many addresses hold all that they can, one that has nothing is still answered', async () => {
  const server = await ChildServer.start(['limits.connections=100', 'limits.connectionsPerAddress=30']);
  const addresses = ['127.0.1.1', '127.0.1.2', '127.0.1.3', '127.0.1.4'];
  for (const from of addresses) {
    for (let count = 0; count < 30; count++) {
      const socket = await server.connect({ plain: true, from });
      socket.write('GET / HTTP/1.1\r\nHost: x\r\n');
    }
  }
  expect((await server.request('/healthz', { from: '127.0.1.5' })).status).toBe(200);
  expect(
    await server.metric('headwater_refused_total{limit="connections"}', '127.0.1.6'),
  ).toBeGreaterThanOrEqual(29);
});

describe('requests under way', () => {
  const settings = ['limits.requestsPerAddress=3', 'trustedProxies=["127.0.0.8"]'];

  /** Downloads that are not read, from one address. */
  async function occupy(server: ChildServer, count: number, from: string, headers = ''): Promise<Socket[]> {
    expect((await server.request(imagePath)).status).toBe(200);
    const before = server.descriptors;
    const sockets = await Promise.all(Array.from({ length: count }, () => server.connect({ from })));
    for (const socket of sockets) socket.write(get(imagePath, headers));
    await expect.poll(() => server.descriptors, polled).toBeGreaterThanOrEqual(before + 2 * count);
    return sockets;
  }

  test('of one address are bounded; health checks are answered', async () => {
    const server = await prepared.start(settings);
    const from = '127.0.0.4';
    const sockets = await occupy(server, 3, from);
    const refused = await server.request('/streams/v1/images.json', { from });
    expect([refused.status, refused.headers['retry-after']]).toEqual([429, '5']);
    expect(JSON.parse(refused.body)).toMatchObject({
      error: { kind: 'unavailable', message: expect.stringContaining('limits.requestsPerAddress') },
    });
    const registry = await server.request('/1.0', { from });
    expect(JSON.parse(registry.body)).toMatchObject({ type: 'error', error_code: 429 });
    expect((await server.request('/healthz', { from })).status).toBe(200);
    expect((await server.request('/1.0')).status).toBe(200);
    expect(await server.metric('headwater_refused_total{limit="requestsPerAddress"}')).toBe(2);
    sockets[0]?.destroy();
    await expect.poll(async () => (await server.request('/1.0', { from })).status, polled).toBe(200);
  });

  test('behind a trusted proxy the client counts, not the proxy', async () => {
    const server = await prepared.start([...settings, 'limits.connectionsPerAddress=1']);
    const from = '127.0.0.8';
    await occupy(server, 3, from, 'X-Forwarded-For: 192.0.2.1\r\n');
    const via = async (client: string) =>
      (await server.request('/1.0', { from, headers: { 'x-forwarded-for': client } })).status;
    expect(await via('192.0.2.1')).toBe(429);
    expect(await via('192.0.2.2')).toBe(200);
    expect((await server.request('/1.0', { headers: { 'x-forwarded-for': '192.0.2.1' } })).status).toBe(200);
  });

  test('of one IPv6 network are bounded together, by its first 64 bits', async () => {
    const server = await prepared.start(settings);
    const from = '127.0.0.8';
    await occupy(server, 2, from, 'X-Forwarded-For: 2001:db8:1:2::1\r\n');
    await occupy(server, 1, from, 'X-Forwarded-For: 2001:db8:1:2:ffff::2\r\n');
    const via = async (client: string) =>
      (await server.request('/1.0', { from, headers: { 'x-forwarded-for': client } })).status;
    expect(await via('2001:db8:1:2:3:4:5:6')).toBe(429);
    expect(await via('2001:db8:1:3::1')).toBe(200);
  });
});

test('an upgrade in the midst of a response closes the connection', async () => {
  const server = shared;
  expect((await server.request(imagePath)).status).toBe(200);
  const before = server.descriptors;
  const socket = await server.connect();
  socket.write(get(imagePath) + get('/1.0/events', 'Connection: Upgrade\r\nUpgrade: websocket\r\n'));
  await closed(socket);
  await expect.poll(() => server.descriptors, polled).toBeLessThanOrEqual(before);
});

test('two thousand connections that trickle headers and bodies cost little, and others are served', async () => {
  const server = await ChildServer.start();
  await server.request('/healthz');
  const before = server.memory;
  const starts = [
    'GET / HTTP/1.1\r\nHost: x\r\n',
    'POST /1.0/certificates HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n',
    '\x16\x03\x01',
  ];
  const sockets: Socket[] = [];
  for (let index = 0; index < 2000; index++) {
    const socket = await server.connect({ plain: true, from: `127.0.2.${1 + (index % 10)}` });
    socket.write(Buffer.from(starts[index % starts.length] ?? '', 'latin1'));
    sockets.push(socket);
  }
  const timer = setInterval(() => {
    for (const socket of sockets) socket.write('a');
  }, 200);
  onTestFinished(() => clearInterval(timer));
  expect((await server.request('/healthz', { from: '127.0.3.1' })).status).toBe(200);
  expect(server.memory - before).toBeLessThan(150);
}, 60_000);

test('half-open connections count as connections until they are closed, logged and counted', async () => {
  const server = await ChildServer.start(['limits.connectionsPerAddress=4', 'log.format=json']);
  const from = '127.0.0.5';
  await server.request('/healthz', { from: '127.0.0.6' });
  const before = server.descriptors;
  const sockets = [];
  // Half a record of a handshake, or nothing.
  for (const start of ['', '', '\x16\x03\x01\x02\x00\x01', '\x16\x03\x01\x02\x00\x01\x00\x01']) {
    const socket = await server.connect({ plain: true, from });
    if (start !== '') socket.write(Buffer.from(start, 'latin1'));
    sockets.push(socket);
  }
  expect(await server.request('/healthz', { from })).toMatchObject({ status: 0 });
  expect((await server.request('/healthz', { from: '127.0.0.6' })).status).toBe(200);
  await Promise.all(sockets.map(closed));
  await expect.poll(() => server.metric('headwater_refused_total{limit="handshake"}'), polled).toBe(4);
  await expect.poll(() => server.log, polled).toMatch(/"limit":"handshake",.*"remote":"127\.0\.0\.5"/);
  expect((await server.request('/healthz', { from })).status).toBe(200);
  await expect.poll(() => server.descriptors, polled).toBeLessThanOrEqual(before);
}, 60_000);
