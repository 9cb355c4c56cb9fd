import { expect, test } from 'vitest';
import { ended, makeImage } from '../../support/push-images.ts';
import { RegistryClient } from '../../support/registry-client.ts';
import { TestServer } from '../../support/server.ts';
import { FakeDaemon, pull } from './fake-daemon.ts';

const local = { registry: { pullFrom: ['127.0.0.1'] } };

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

test.each([2000, 400_000])(
  'a daemon that gives another fingerprint: %i bytes leave nothing',
  async (size) => {
    const server = await TestServer.start(local);
    const client = await RegistryClient.joined(server);
    const image = await makeImage({}, size);
    const claimed = 'ab'.repeat(32);
    const daemon = await FakeDaemon.start({ ...image, fingerprint: claimed });
    const source = {
      server: daemon.url,
      certificate: daemon.certificate,
      fingerprint: claimed,
      secret: 'sesame',
    };
    expect(await ended(client, await pull(client, source, [{ name: 'app' }]))).toMatchObject({
      status: 'Failure',
      err: expect.stringContaining(
        `the fingerprint of the image is ${image.fingerprint}, but ${claimed} was announced`,
      ) as unknown,
    });
    const left = [];
    for await (const blob of server.workspace.store.list()) left.push(blob);
    expect(left).toEqual([]);
    expect((await client.get('/1.0/images')).metadata).toEqual([]);
    expect(await server.workspace.catalog.images.find(claimed)).toEqual([]);
  },
);

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
