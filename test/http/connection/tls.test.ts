import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import { ensureSelfSigned } from '../../../src/http/connection/self-signed.ts';
import { scratchDirectory } from '../../support/catalog.ts';
import { TestServer } from '../../support/server.ts';
import { makeSmallImage } from '../../support/small-images.ts';

async function handshake(port: number, options: { maxVersion?: 'TLSv1.2' } = {}): Promise<TLSSocket> {
  const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
  onTestFinished(() => void socket.destroy());
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve);
    socket.once('error', reject);
  });
  return socket;
}

test('the certificate made at first is ECDSA P-256, names the host first, and is kept', async () => {
  const directory = await scratchDirectory();
  const paths = await ensureSelfSigned(directory);
  const pem = await readFile(paths.certificate, 'utf8');
  const certificate = new X509Certificate(pem);
  expect(certificate.publicKey.asymmetricKeyDetails?.namedCurve).toBe('prime256v1');
  expect(certificate.subjectAltName?.split(', ')[0]).toBe(`DNS:${hostname()}`);
  expect(certificate.subjectAltName).toContain('DNS:localhost');
  expect(certificate.subjectAltName).toContain('IP Address:127.0.0.1');
  await ensureSelfSigned(directory);
  expect(await readFile(paths.certificate, 'utf8')).toBe(pem);
});

test('TLS before 1.3 is refused, and a client certificate is asked for but not demanded', async () => {
  const server = await TestServer.start();
  await expect(handshake(server.server.port, { maxVersion: 'TLSv1.2' })).rejects.toThrow();
  const socket = await handshake(server.server.port);
  expect(socket.getProtocol()).toBe('TLSv1.3');
  expect((await server.request('/healthz')).status).toBe(200);
});

test('a renewed certificate is used for new connections, and those there are go on', async () => {
  const directory = await scratchDirectory();
  const [first, second] = [
    await ensureSelfSigned(join(directory, 'a')),
    await ensureSelfSigned(join(directory, 'b')),
  ];
  const paths = { certificate: join(directory, 'server.crt'), key: join(directory, 'server.key') };
  const install = async (from: typeof first) => {
    await writeFile(paths.certificate, await readFile(from.certificate));
    await writeFile(paths.key, await readFile(from.key));
  };
  await install(first);
  const server = await TestServer.start({ tls: paths });
  const serial = (socket: TLSSocket) => socket.getPeerCertificate().serialNumber;
  const old = await handshake(server.server.port);
  await install(second);
  await expect
    .poll(async () => serial(await handshake(server.server.port)), { timeout: 15_000 })
    .not.toBe(serial(old));
  const answer = new Promise<string>((resolve) =>
    old.once('data', (chunk: Buffer) => resolve(chunk.toString())),
  );
  old.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
  expect(await answer).toContain('200 OK');
});

test('connections that say nothing, nonsense or half a handshake do no harm', async () => {
  const server = await TestServer.start();
  for (const bytes of ['', '\x16\x03\x01\x00\x05hello', 'nonsense\r\n\r\n', '\x00'.repeat(100)]) {
    const socket = connect(server.server.port, '127.0.0.1');
    await new Promise((resolve) => socket.once('connect', resolve));
    if (bytes !== '') socket.write(Buffer.from(bytes, 'latin1'));
    socket.end();
    await new Promise((resolve) => socket.on('data', () => undefined).once('close', resolve));
  }
  expect((await server.request('/healthz')).status).toBe(200);
});

test('with tls off everything is answered over plain HTTP', async () => {
  const server = await TestServer.start({ tls: 'off' });
  expect((await server.request('/streams/v1/index.json', { scheme: 'http' })).status).toBe(200);
  expect((await server.request('/api/v1/products', { scheme: 'http' })).json()).toEqual({ products: [] });
});

test('a download that does not end within the limit is cut, and the server stops', async () => {
  const server = await TestServer.start({ shutdownTimeout: '1s' });
  const image = await makeSmallImage({ size: 24_000_000 });
  const files = [image.metadata, image.root].map((path) => ({ from: 'disk' as const, name: path, path }));
  await server.publish({ files });
  const socket = await handshake(server.server.port);
  const path = '/images/debian/bookworm/amd64/default/20260101_0000/rootfs.squashfs';
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
  await once(socket, 'readable');
  // Nothing more is read: it would go on for ever.
  await server.server.close();
  let received = 0;
  socket.on('data', (chunk: Buffer) => {
    received += chunk.length;
  });
  socket.on('error', () => undefined);
  if (!socket.closed) await once(socket, 'close');
  expect(received).toBeLessThan((await stat(image.root)).size);
});

test('a download that runs when the server is told to stop is finished', async () => {
  const server = await TestServer.start({ shutdownTimeout: '20s' });
  const image = await makeSmallImage({ size: 24_000_000 });
  const files = [image.metadata, image.root].map((path) => ({ from: 'disk' as const, name: path, path }));
  await server.publish({ files });
  const socket = await handshake(server.server.port);
  const path = '/images/debian/bookworm/amd64/default/20260101_0000/rootfs.squashfs';
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  let received = 0;
  const ended = new Promise((resolve) => socket.once('end', resolve));
  await new Promise<void>((resolve) => {
    socket.on('data', (chunk: Buffer) => {
      received += chunk.length;
      resolve();
    });
  });
  socket.pause();
  const closing = server.server.close();
  await expect(handshake(server.server.port)).rejects.toThrow();
  socket.resume();
  await ended;
  await closing;
  expect(received).toBeGreaterThan((await stat(image.root)).size);
});
