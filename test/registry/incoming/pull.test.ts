import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { generate } from 'selfsigned';
import { expect, onTestFinished, test } from 'vitest';
import { ended, type ImageBytes, makeImage, multipart } from '../../support/push-images.ts';
import { RegistryClient } from '../../support/registry-client.ts';
import { TestServer } from '../../support/server.ts';

const local = { registry: { pullFrom: ['127.0.0.1'] } };

/** What a daemon answers with, as far as it gives an image to whoever knows the secret. */
class FakeDaemon {
  readonly requests: string[] = [];
  readonly certificate: string;
  readonly #server: Server;

  private constructor(certificate: string, server: Server) {
    this.certificate = certificate;
    this.#server = server;
  }

  static async start(image: ImageBytes, options: { cutAt?: number } = {}): Promise<FakeDaemon> {
    const { cert, private: key } = await generate([{ name: 'commonName', value: 'elsewhere' }], {
      algorithm: 'sha256',
    });
    const server = createServer({ cert, key });
    const daemon = new FakeDaemon(cert, server);
    server.on('request', (request, response) => {
      daemon.requests.push(request.url ?? '');
      const url = new URL(request.url ?? '', 'https://daemon');
      if (url.searchParams.get('secret') !== 'sesame') {
        response.writeHead(404, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ type: 'error', error: 'Image not found', error_code: 404 }));
      } else if (url.pathname.endsWith('/export')) {
        const { body, contentType } = multipart([
          ['metadata', image.metadata],
          ['rootfs', image.root],
        ]);
        response.writeHead(200, { 'content-type': contentType });
        if (options.cutAt === undefined) response.end(body);
        else response.write(body.subarray(0, options.cutAt), () => response.destroy());
      } else {
        response.writeHead(200, { 'content-type': 'application/json' });
        const size = image.metadata.length + image.root.length;
        const metadata = {
          fingerprint: image.fingerprint,
          size,
          properties: { color: 'blue' },
          expires_at: '2030-01-01T00:00:00Z',
        };
        response.end(JSON.stringify({ type: 'sync', metadata }));
      }
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    return daemon;
  }

  get url(): string {
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }
}

function pull(client: RegistryClient, source: Record<string, unknown>, aliases?: { name: string }[]) {
  const body = {
    aliases,
    source: { type: 'image', mode: 'pull', protocol: 'lxd', project: 'default', ...source },
  };
  return client.request('POST', '/1.0/images', { json: body });
}

test('a private image is pulled from a daemon whose certificate the client named', async () => {
  const server = await TestServer.start(local);
  const client = await RegistryClient.joined(server);
  const image = await makeImage();
  const daemon = await FakeDaemon.start(image);
  const source = {
    server: daemon.url,
    certificate: daemon.certificate,
    fingerprint: image.fingerprint,
    secret: 'sesame',
  };
  const operation = await ended(client, await pull(client, source, [{ name: 'app' }]));
  expect(operation).toMatchObject({ status: 'Success', metadata: { fingerprint: image.fingerprint } });
  const { metadata } = await client.get(`/1.0/images/${image.fingerprint}`);
  expect(metadata).toMatchObject({
    properties: { color: 'blue' },
    expires_at: '2030-01-01T00:00:00.000Z',
    aliases: [{ name: 'app' }],
  });
  expect(daemon.requests.every((path) => path.includes('project=default'))).toBe(true);
});

test('a daemon that refuses is told of in our own words', async () => {
  const server = await TestServer.start(local);
  const client = await RegistryClient.joined(server);
  const image = await makeImage();
  const daemon = await FakeDaemon.start(image);
  const source = { server: daemon.url, certificate: daemon.certificate, fingerprint: image.fingerprint };
  expect(await ended(client, await pull(client, source))).toMatchObject({
    status: 'Failure',
    err: expect.stringMatching(/does not send the image: Image not found \(status 404\)$/) as unknown,
  });
});

test('a transfer that breaks off leaves nothing', async () => {
  const server = await TestServer.start(local);
  const client = await RegistryClient.joined(server);
  const image = await makeImage();
  const daemon = await FakeDaemon.start(image, { cutAt: image.metadata.length + 2000 });
  const source = {
    server: daemon.url,
    certificate: daemon.certificate,
    fingerprint: image.fingerprint,
    secret: 'sesame',
  };
  const operation = await ended(client, await pull(client, source, [{ name: 'app' }]));
  expect(operation).toMatchObject({
    status: 'Failure',
    err: expect.stringContaining('broke off') as unknown,
  });
  const left = [];
  for await (const blob of server.workspace.store.list()) left.push(blob);
  expect(left).toEqual([]);
});

test('only the certificate that the client named will do', async () => {
  const server = await TestServer.start(local);
  const client = await RegistryClient.joined(server);
  const image = await makeImage();
  const [daemon, other] = [await FakeDaemon.start(image), await FakeDaemon.start(image)];
  for (const certificate of [other.certificate, '']) {
    const source = { server: daemon.url, certificate, fingerprint: image.fingerprint, secret: 'sesame' };
    const { err } = await ended(client, await pull(client, source));
    expect(err).toMatch(/Unable to connect to .*certificate/);
  }
  expect(daemon.requests).toEqual([]);
});

test('addresses that are not allowed, and the registry itself, are never connected to', async () => {
  const closed = await TestServer.start();
  const image = await makeImage();
  const daemon = await FakeDaemon.start(image);
  const port = new URL(daemon.url).port;
  const client = await RegistryClient.joined(closed);
  const hosts = ['127.0.0.1', 'localhost', '[::ffff:127.0.0.1]', '[::1]', '0.0.0.0', '2130706433'];
  for (const host of hosts) {
    const source = {
      server: `https://${host}:${port}`,
      certificate: daemon.certificate,
      fingerprint: image.fingerprint,
    };
    const { err } = await ended(client, await pull(client, source));
    expect(err, host).toMatch(/Unable to connect to .*Cannot connect to .*may not fetch from/);
  }
  expect(daemon.requests).toEqual([]);

  const open = await TestServer.start(local);
  const member = await RegistryClient.joined(open);
  const { err } = await ended(
    member,
    await pull(member, { server: open.url(''), fingerprint: image.fingerprint }),
  );
  expect(err).toMatch(/is this registry itself/);
});

test('a registry that listens everywhere is itself by every address of its machine', async () => {
  const server = await TestServer.start({
    listen: { address: '0.0.0.0', port: 0 },
    registry: { pullFrom: ['127.0.0.0/8'] },
  });
  const client = await RegistryClient.joined(server);
  const source = { server: `https://127.0.0.5:${server.server.port}`, fingerprint: 'a'.repeat(64) };
  const { err } = await ended(client, await pull(client, source));
  expect(err).toMatch(/127\.0\.0\.5 port \d+ is this registry itself/);
});

test('nothing listens there: the error makes clients try the next address', async () => {
  const server = await TestServer.start(local);
  const client = await RegistryClient.joined(server);
  const { err } = await ended(
    client,
    await pull(client, { server: 'https://127.0.0.1:1', fingerprint: 'a'.repeat(64) }),
  );
  expect(err).toMatch(/Unable to connect to .*Cannot connect to .*ECONNREFUSED/);
});

test.each([
  [
    { protocol: 'simplestreams', server: 'https://images.example', alias: 'alpine/edge' },
    403,
    /may not copy from https:\/\/images.example: .*registry\.mirrorFrom/,
  ],
  [{ protocol: 'oci', server: 'https://images.example' }, 400, /expected lxd, incus or simplestreams/],
  [{ type: 'url', url: 'https://images.example/app' }, 400, /not downloaded from URLs/],
  [{ type: 'instance' }, 400, /no instances here/],
  [{ mode: 'sideways' }, 400, /expected push or pull/],
  [{ server: 'http://127.0.0.1' }, 400, /expected https:/],
  [{ server: 'https://me:secret@127.0.0.1' }, 400, /expected https:/],
  [{ server: 'https://127.0.0.1', certificate: 'none' }, 400, /is no certificate/],
])('%j is refused at once', async (source, status, reason) => {
  const server = await TestServer.start(local);
  const client = await RegistryClient.joined(server);
  const answer = await pull(client, source);
  expect(answer).toMatchObject({ status, error: expect.stringMatching(reason) as unknown });
});
