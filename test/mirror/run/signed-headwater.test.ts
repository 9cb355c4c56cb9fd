import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createKey } from '../../../src/keys/create-key.ts';
import { readKeyFile, writeKeyFile } from '../../../src/keys/key-file.ts';
import { runMirror } from '../../../src/mirror/run/run.ts';
import { scratchDirectory } from '../../support/catalog.ts';
import { TestServer } from '../../support/server.ts';
import { scratchKey } from '../../support/signing.ts';
import { makeSmallImage } from '../../support/small-images.ts';
import { definition, find, held, mirrorServices } from '../workspace.ts';

const name = 'debian:bookworm:amd64:default';
const manual = { cause: 'manual' } as const;

async function publishImage(server: TestServer, os: string): Promise<void> {
  const image = await makeSmallImage({ os, size: 4096 });
  await server.publish({
    files: [image.metadata, image.root].map((path) => ({ from: 'disk', name: path, path })),
  });
  await expect
    .poll(async () => String((await server.request('/streams/v1/images.sjson', { scheme: 'http' })).body))
    .toContain(`"${os}:`);
}

test('a Headwater that signs is mirrored with its public key, and with no other', async () => {
  const { key, keyring } = await scratchKey();
  const server = await TestServer.start({ tls: 'off', signing: { key } });
  await publishImage(server, 'debian');
  const url = server.url('', 'http');
  const parts = await mirrorServices();
  const mirror = definition(url, { keyring });
  expect(await runMirror(mirror, parts, manual)).toMatchObject({ outcome: 'success' });
  const there = await server.workspace.catalog.products.find({ stream: 'images', name });
  expect((await find(parts, name)).versions[0]?.items).toEqual(there?.versions[0]?.items);
  expect((await runMirror(mirror, parts, manual)).outcome).toBe('unchanged');
  await publishImage(server, 'alpine');
  expect(await runMirror(mirror, parts, manual)).toMatchObject({ outcome: 'success', report: { added: 1 } });

  const other = await mirrorServices();
  const stranger = definition(url, { keyring: (await scratchKey()).keyring });
  const refused = await runMirror(stranger, other, manual);
  expect(refused.outcome).toBe('failed');
  expect(String(refused.error)).toContain('signed by another key');
  expect(await held(other)).toEqual([]);
});

test('a mirror follows a key that rotates, if it has both', async () => {
  const { key, keyring } = await scratchKey();
  const server = await TestServer.start({ tls: 'off', signing: { key } });
  await publishImage(server, 'debian');
  const parts = await mirrorServices();
  const mirror = definition(server.url('', 'http'), { keyring });
  expect((await runMirror(mirror, parts, manual)).outcome).toBe('success');

  const [old] = await readKeyFile(key);
  if (old === undefined) throw new Error('no key');
  const { key: next } = await createKey({ name: 'next', rsa: false });
  await writeKeyFile(key, [next, old], { replace: true });
  const published = async () => (await server.request('/keys/headwater.asc', { scheme: 'http' })).body;
  const before = await published();
  await expect.poll(async () => (await published()).equals(before)).toBe(false);
  await publishImage(server, 'alpine');
  await expect.poll(async () => (await runMirror(mirror, parts, manual)).outcome).toBe('failed');
  const file = join(await scratchDirectory(), 'both.gpg');
  await writeFile(file, (await server.request('/keys/headwater.gpg', { scheme: 'http' })).body);
  const both = definition(mirror.url, { keyring: file });
  expect(await runMirror(both, parts, manual)).toMatchObject({ outcome: 'success' });
  expect(await held(parts)).toHaveLength(2);
});

/** Passes requests on to a server; once it replays, it answers documents as they were when it was told to remember them. */
class Replaying {
  readonly #server: TestServer;
  readonly #remembered = new Map<string, Buffer>();
  replays = false;

  constructor(server: TestServer) {
    this.#server = server;
  }

  async remember(): Promise<void> {
    for (const path of ['/streams/v1/index.sjson', '/streams/v1/images.sjson']) {
      this.#remembered.set(path, (await this.#server.request(path, { scheme: 'http' })).body);
    }
  }

  /** @returns its address */
  async listen(): Promise<string> {
    const proxy = createServer((request, response) => {
      void (async () => {
        const path = request.url ?? '';
        const old = this.replays ? this.#remembered.get(path) : undefined;
        const { status, body } = await this.#server.request(path, { scheme: 'http' });
        response.writeHead(old === undefined ? status : 200).end(old ?? body);
      })();
    });
    onTestFinished(() => void proxy.close());
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  }
}

test('older signed documents of a Headwater are refused', async () => {
  const { key, keyring } = await scratchKey();
  const server = await TestServer.start({ tls: 'off', signing: { key } });
  await publishImage(server, 'debian');
  const replaying = new Replaying(server);
  const mirror = definition(await replaying.listen(), { keyring });
  await replaying.remember();
  const remembered = Date.now();
  const parts = await mirrorServices();
  // Dates and signatures tell seconds.
  await expect.poll(() => Math.floor(Date.now() / 1000)).toBeGreaterThan(Math.floor(remembered / 1000));
  await publishImage(server, 'alpine');
  expect(await runMirror(mirror, parts, manual)).toMatchObject({ outcome: 'success' });
  replaying.replays = true;
  const refused = await runMirror(mirror, parts, manual);
  expect(refused.outcome).toBe('failed');
  expect(String(refused.error)).toMatch(/older than the one that was accepted: updated/);
  expect(await held(parts)).toHaveLength(2);
  replaying.replays = false;
  expect((await runMirror(mirror, parts, manual)).outcome).not.toBe('failed');
});
