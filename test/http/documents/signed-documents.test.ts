import { copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createKey } from '../../../src/keys/create-key.ts';
import { readKeyFile, writeKeyFile } from '../../../src/keys/key-file.ts';
import { publish as publicKeysOf } from '../../../src/keys/key-ring.ts';
import { draft, scratchDirectory, stored, testActor } from '../../support/catalog.ts';
import { attempt, run } from '../../support/command.ts';
import { lacks } from '../../support/needs.ts';
import { TestServer } from '../../support/server.ts';
import { gpgHome, gpgvBytes, type ScratchKey, scratchKey } from '../../support/signing.ts';
import { makeSmallImage } from '../../support/small-images.ts';
import { mirrorSigned, readSigned } from '../../support/sstream.ts';

interface SigningServer extends ScratchKey {
  server: TestServer;
}

async function signingServer(settings: object = {}): Promise<SigningServer> {
  const made = await scratchKey();
  const server = await TestServer.start({ signing: { key: made.key }, ...settings });
  return { ...made, server };
}

async function fetched(server: TestServer, path: string): Promise<Buffer> {
  const { status, body } = await server.request(path.startsWith('/') ? path : `/${path}`);
  if (status !== 200) throw new Error(`${path}: ${status}`);
  return body;
}

async function addProduct(server: TestServer, os: string, stream = 'images'): Promise<void> {
  await server.workspace.catalog.by(testActor).versions.publish(draft({ os, stream }), stored);
  await expect
    .poll(async () => String((await server.request(`/streams/v1/${stream}.json`)).body))
    .toContain(`"${os}:`);
}

/** Waits until the clear-signed document of a public stream has a text. */
async function untilSigned(server: TestServer, text: string): Promise<void> {
  await expect
    .poll(async () => String((await server.request('/streams/v1/images.sjson')).body))
    .toContain(text);
}

/** A document and its signature, between which it did not change. */
async function settledDocument(
  server: TestServer,
  path: string,
): Promise<{ bytes: Buffer; signature: Buffer }> {
  for (;;) {
    const before = await server.request(path);
    const signature = await server.request(`${path}.gpg`);
    const after = await server.request(path);
    const isSettled = [before, signature, after].every(({ status }) => status === 200);
    if (isSettled && before.body.equals(after.body)) return { bytes: after.body, signature: signature.body };
  }
}

describe.skipIf(lacks('gpgv'))('signed documents', () => {
  test('are accepted by gpgv and by the rules of simplestreams, and lead to the same files', async () => {
    const { server, keyring } = await signingServer();
    for (const os of ['debian', 'alpine']) await addProduct(server, os);
    await untilSigned(server, '"debian:');
    const items = await mirrorSigned((path) => fetched(server, path), keyring);
    expect([...items.keys()].filter((name) => name.endsWith(' squashfs'))).toEqual([
      'alpine:bookworm:amd64:default 20260101_0000 squashfs',
      'debian:bookworm:amd64:default 20260101_0000 squashfs',
    ]);
    const plain = JSON.parse(String(await fetched(server, '/streams/v1/images.json'))) as object;
    const signed = await readSigned(await fetched(server, '/streams/v1/images.sjson'), keyring);
    expect(JSON.parse(signed)).toEqual(plain);
  });

  test('have detached signatures of exactly the bytes that are served', async () => {
    const { server, keyring } = await signingServer();
    await addProduct(server, 'debian');
    for (const path of ['/streams/v1/images.json', '/streams/v1/index.json']) {
      const [document, signature] = [await fetched(server, path), await fetched(server, `${path}.gpg`)];
      expect(await gpgvBytes(keyring, document, signature)).toMatchObject({ code: 0 });
      const changed = Buffer.from(String(document).replace('bookworm', 'trixie'));
      if (!changed.equals(document)) {
        expect(await gpgvBytes(keyring, changed, signature)).not.toMatchObject({ code: 0 });
      }
    }
  });

  test('of a change are there as soon as its JSON, detached', async () => {
    const { server, keyring } = await signingServer();
    const path = '/streams/v1/images.json';
    for (let round = 0; round < 20; round++) {
      await server.workspace.catalog.by(testActor).versions.publish(draft({ os: `os${round}` }), stored);
      const document = await settledDocument(server, path);
      expect(await gpgvBytes(keyring, document.bytes, document.signature)).toMatchObject({ code: 0 });
    }
  });

  test('are never torn while a catalog changes: a reader of .sjson meets no bad signature', async () => {
    const { server, keyring } = await signingServer();
    await addProduct(server, 'first');
    await untilSigned(server, '"first:');
    let isDone = false;
    let reads = 0;
    const reading = (async () => {
      while (!isDone) {
        await mirrorSigned((path) => fetched(server, path), keyring);
        reads++;
      }
    })();
    for (let index = 0; index < 60; index++) {
      await server.workspace.catalog.by(testActor).versions.publish(draft({ os: `os${index}` }), stored);
    }
    await untilSigned(server, '"os59:');
    isDone = true;
    await reading;
    expect(reads).toBeGreaterThan(2);
  });

  test('of private streams are given to those who may read the stream, and to nobody else', async () => {
    const { server, keyring } = await signingServer({
      streams: { images: { public: true }, secret: { public: false } },
    });
    await addProduct(server, 'debian');
    await server.workspace.catalog
      .by(testActor)
      .versions.publish(draft({ os: 'hidden', stream: 'secret' }), stored);
    const token = await server.token(['read'], ['secret']);
    const ask = async (path: string, own?: string) =>
      await server.request(path, own === undefined ? {} : { token: own });
    const signedIndex = async (own?: string) =>
      await readSigned((await ask('/streams/v1/index.sjson', own)).body, keyring);
    await expect.poll(() => signedIndex(token)).toContain('streams/v1/secret.sjson');
    expect(await signedIndex()).not.toContain('secret');
    for (const path of ['/streams/v1/secret.sjson', '/streams/v1/secret.json.gpg']) {
      expect((await ask(path)).status, path).toBe(404);
      expect((await ask(path, await server.token(['read'], ['images']))).status, path).toBe(404);
      const { status, headers } = await ask(path, token);
      expect([status, headers['cache-control']], path).toEqual([200, 'private, no-cache']);
    }
    const index = await ask('/streams/v1/index.json', token);
    const signature = await ask('/streams/v1/index.json.gpg', token);
    expect(await gpgvBytes(keyring, index.body, signature.body)).toMatchObject({ code: 0 });
  });

  test('are signed by one key at a time while keys rotate', async () => {
    const { server, key, keyring } = await signingServer();
    await addProduct(server, 'debian');
    await untilSigned(server, '"debian:');
    const directory = dirname(keyring);
    const accepts = async (pinned: string) =>
      await mirrorSigned((path) => fetched(server, path), pinned).then(
        () => true,
        () => false,
      );
    const [old] = await readKeyFile(key);
    if (old === undefined) throw new Error('no key');
    const made = await createKey({ name: 'next', rsa: false }, new Date(Date.now() + 2000));
    await writeKeyFile(key, [old, made.key], { replace: true });
    const both = join(directory, 'both.gpg');
    await expect
      .poll(async () => {
        await writeFile(both, await fetched(server, '/keys/headwater.gpg'));
        return (await readFile(both)).length;
      })
      .toBe((await publicKeysOf([old, made.key])).binary.length);
    expect([await accepts(keyring), await accepts(both)]).toEqual([true, true]);
    const sums = '/images/debian/bookworm/amd64/default/20260101_0000/SHA256SUMS';
    const acceptsSums = async (pinned: string) =>
      (await gpgvBytes(pinned, await fetched(server, sums), await fetched(server, `${sums}.gpg`))).code === 0;
    expect(await acceptsSums(keyring)).toBe(true);

    await expect.poll(() => Date.now()).toBeGreaterThan(made.key.getCreationTime().getTime());
    await writeKeyFile(key, [made.key, old], { replace: true });
    const next = join(directory, 'next.gpg');
    await writeFile(next, (await publicKeysOf([made.key])).binary);
    await expect.poll(() => accepts(next)).toBe(true);
    expect([await accepts(both), await accepts(keyring)]).toEqual([true, false]);
    expect([await acceptsSums(next), await acceptsSums(keyring)]).toEqual([true, false]);
    const [document, signature] = [
      await fetched(server, '/streams/v1/images.json'),
      await fetched(server, '/streams/v1/images.json.gpg'),
    ];
    expect(await gpgvBytes(next, document, signature)).toMatchObject({ code: 0 });
  });
});

test('the public key is published in both forms', async () => {
  const { server, keyring, fingerprint } = await signingServer();
  expect((await fetched(server, '/keys/headwater.gpg')).equals(await readFile(keyring))).toBe(true);
  const armored = await server.request('/keys/headwater.asc');
  expect(String(armored.body)).toContain('BEGIN PGP PUBLIC KEY BLOCK');
  expect(armored.headers['content-type']).toBe('application/pgp-keys');
  expect(server.server.signingKey).toBe(fingerprint);
  expect(String((await server.request('/metrics')).body)).toContain('headwater_signing_failing 0');
});

test('a server without a key serves the same JSON, and nothing signed', async () => {
  const server = await TestServer.start();
  await addProduct(server, 'debian');
  const { server: signing } = await signingServer();
  await addProduct(signing, 'debian');
  const path = '/streams/v1/images.json';
  // They were changed at different moments.
  const content = async (one: TestServer) =>
    String(await fetched(one, path)).replace(/"updated":"[^"]*"/, '"updated":""');
  expect(await content(server)).toEqual(await content(signing));
  for (const other of ['images.sjson', 'images.json.gpg', 'index.sjson', 'index.json.gpg']) {
    expect((await server.request(`/streams/v1/${other}`)).status, other).toBe(404);
  }
  expect((await server.request('/keys/headwater.gpg')).status).toBe(404);
});

describe('a key that cannot be used', () => {
  const missing = '/none/signing.key';

  test.each([
    ['is missing', { key: missing }, missing],
    ['is missing, of a command', { command: ['sign'], publicKey: missing }, missing],
  ])('and %s ends the start before anything is made', async (_, signing, named) => {
    const dataDir = join(await scratchDirectory(), 'data');
    await expect(TestServer.start({ signing, dataDir })).rejects.toThrow(named);
    // Only what the test put there before.
    expect((await readdir(dataDir, { recursive: true })).sort()).toEqual([
      'tls',
      'tls/server.crt',
      'tls/server.key',
    ]);
  });

  test('because its passphrase is missing ends the start, with what to do', async () => {
    const { key } = await scratchKey({ passphrase: 'correct horse' });
    await expect(TestServer.start({ signing: { key } })).rejects.toThrow(
      /passphrase.*signing-passphrase.*signing\.optional/,
    );
    const env = { HEADWATER_SIGNING_PASSPHRASE: 'correct horse' };
    const server = await TestServer.start({ signing: { key } }, [], env);
    expect((await server.request('/streams/v1/index.sjson')).status).toBe(200);
  });

  test('lets the server start where signing is optional, and shows that', async () => {
    const server = await TestServer.start({ signing: { key: missing, optional: true } });
    expect((await server.request('/streams/v1/index.json')).status).toBe(200);
    expect((await server.request('/streams/v1/index.sjson')).status).toBe(404);
    expect((await server.request('/readyz')).json()).toMatchObject({
      status: 'ready',
      warning: expect.stringContaining('the documents are not signed') as string,
    });
    expect((await server.request('/readyz?write')).status).toBe(200);
  });

  test('because it expired lets the server start: images are served', async () => {
    const day = 86_400_000;
    const { key } = await scratchKey({ createdAt: new Date(Date.now() - 2 * day), lifetime: day });
    const server = await TestServer.start({ signing: { key } });
    expect((await server.request('/streams/v1/index.json')).status).toBe(200);
    expect((await server.request('/readyz')).json()).toMatchObject({
      warning: expect.stringContaining('expired') as string,
    });
  });
});

test('a command that fails for a while stops no image, and is tried again', async ({ skip }) => {
  skip(lacks('gpg', 'gpgv'), 'gnupg is missing');
  const { key, keyring } = await scratchKey();
  const home = await gpgHome();
  await run('gpg', ['--homedir', home, '--batch', '--quiet', '--import', key]);
  const broken = join(home, 'broken');
  const script = `test ! -e ${broken} || { echo secret pin >&2; exit 1; }; gpg --homedir ${home} --batch --quiet "$1"`;
  const server = await TestServer.start({
    signing: { command: ['sh', '-c', script, 'sh', '{mode}'], publicKey: keyring },
  });
  await addProduct(server, 'first');
  await untilSigned(server, '"first:');
  await writeFile(broken, '');
  await addProduct(server, 'second');
  const signature = await server.request('/streams/v1/images.json.gpg');
  expect(signature.status).toBe(503);
  expect(String(signature.body)).not.toContain('secret pin');
  expect((await server.request('/readyz')).json()).toMatchObject({
    warning: expect.stringContaining('the documents cannot be signed') as string,
  });
  expect(String((await server.request('/metrics')).body)).toContain('headwater_signing_failing 1');
  const stale = await fetched(server, '/streams/v1/images.sjson');
  expect(await readSigned(stale, keyring)).not.toContain('second');
  await rm(broken);
  await untilSigned(server, '"second:');
  await expect.poll(async () => (await server.request('/streams/v1/images.json.gpg')).status).toBe(200);
  const { bytes, signature: mended } = await settledDocument(server, '/streams/v1/images.json');
  expect(await gpgvBytes(keyring, bytes, mended)).toMatchObject({ code: 0 });
  expect((await server.request('/readyz')).json()).toEqual({ status: 'ready' });
});

test('a changed key file that cannot be used leaves the keys before, until it can', async ({ skip }) => {
  skip(lacks('gpgv'), 'gpgv is missing');
  const { server, key, keyring } = await signingServer();
  const locked = await scratchKey({ passphrase: 'correct horse' });
  const [next] = await readKeyFile((await scratchKey()).key);
  if (next === undefined) throw new Error('no key');
  const published = () => fetched(server, '/keys/headwater.gpg');
  const warning = async () =>
    ((await server.request('/readyz')).json() as { warning?: string }).warning ?? 'none';
  await writeKeyFile(key, await readKeyFile(locked.key), { replace: true });
  await expect.poll(warning).toContain('has a passphrase');
  await addProduct(server, 'debian');
  await untilSigned(server, '"debian:');
  expect(await readSigned(await fetched(server, '/streams/v1/images.sjson'), keyring)).toContain('debian');
  expect((await published()).equals(await readFile(keyring))).toBe(true);
  await writeKeyFile(key, [next], { replace: true });
  await expect.poll(warning).toBe('none');
  expect((await published()).equals((await publicKeysOf([next])).binary)).toBe(true);
});

test('a key that expires soon is told by /readyz and the metrics', async () => {
  const { key } = await scratchKey({ lifetime: 20 * 86_400_000 });
  const server = await TestServer.start({ signing: { key } });
  expect((await server.request('/readyz')).json()).toMatchObject({
    status: 'ready',
    warning: expect.stringContaining('the signing key expires on') as string,
  });
  const metrics = String((await server.request('/metrics')).body);
  const expiry = /headwater_signing_key_expiry_timestamp_seconds ([\d.e+]+)/.exec(metrics)?.[1];
  expect(Number(expiry)).toBeGreaterThan(Date.now() / 1000 + 19 * 86_400);
});

describe('SHA256SUMS', () => {
  test('checks a directory that was downloaded', async () => {
    const { server, keyring } = await signingServer();
    const image = await makeSmallImage({ os: 'debian', size: 4096 });
    const { product, serial } = await server.publish({
      files: [image.metadata, image.root].map((path) => ({ from: 'disk', name: path, path })),
    });
    const base = `/images/${product.replaceAll(':', '/')}/${serial}`;
    const sums = await fetched(server, `${base}/SHA256SUMS`);
    const names = String(sums)
      .trim()
      .split('\n')
      .map((line) => line.split('  ')[1] ?? '');
    expect(names.sort()).toEqual(['incus.tar.xz', 'lxd.tar.xz', 'rootfs.squashfs']);
    const directory = await scratchDirectory();
    for (const name of [...names, 'SHA256SUMS']) {
      await writeFile(join(directory, name), await fetched(server, `${base}/${name}`));
    }
    await run('sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd: directory });
    await writeFile(join(directory, 'rootfs.squashfs'), 'something else');
    expect((await attempt('sha256sum', ['--check', 'SHA256SUMS'], { cwd: directory })).code).toBe(1);
    if (lacks('gpgv')) return;
    const signature = await fetched(server, `${base}/SHA256SUMS.gpg`);
    expect(await gpgvBytes(keyring, sums, signature)).toMatchObject({ code: 0 });
  });

  test('of a private stream is for those who may read it', async () => {
    const { server } = await signingServer({ streams: { secret: { public: false } } });
    await server.workspace.catalog.by(testActor).versions.publish(draft({ stream: 'secret' }), stored);
    const base = '/images/debian/bookworm/amd64/default/20260101_0000';
    const token = await server.token(['read'], ['secret']);
    for (const name of ['SHA256SUMS', 'SHA256SUMS.gpg']) {
      expect((await server.request(`${base}/${name}`)).status).toBe(404);
      expect((await server.request(`${base}/${name}`, { token })).status).toBe(200);
    }
    expect((await server.request(`${base.replace('debian', 'none')}/SHA256SUMS`, { token })).status).toBe(
      404,
    );
  });

  test('exists without a key, too; its signature does not', async () => {
    const server = await TestServer.start();
    await addProduct(server, 'debian');
    const base = '/images/debian/bookworm/amd64/default/20260101_0000';
    const sums = String(await fetched(server, `${base}/SHA256SUMS`));
    expect(sums).toMatch(/^[0-9a-f]{64} {2}lxd\.tar\.xz\n/);
    expect((await server.request(`${base}/SHA256SUMS.gpg`)).status).toBe(404);
  });
});

test('without a setting, the key in the data directory signs', async () => {
  const { key, fingerprint } = await scratchKey();
  const dataDir = await scratchDirectory();
  await mkdir(join(dataDir, 'keys'));
  await copyFile(key, join(dataDir, 'keys', 'signing.key'));
  const server = await TestServer.start({ dataDir });
  expect(server.server.signingKey).toBe(fingerprint);
});
