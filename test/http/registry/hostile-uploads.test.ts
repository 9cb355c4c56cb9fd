import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { tool } from '../../image/tools.ts';
import { ended, type ImageBytes, makeImage, multipart, upload } from '../../support/push-images.ts';
import { type RegistryAnswer, RegistryClient } from '../../support/registry-client.ts';
import { TestServer } from '../../support/server.ts';

// Uploads that nobody sends who means well. Each is refused in words and leaves nothing, and the server goes on.

let server: TestServer;
let client: RegistryClient;

beforeEach(async () => {
  server = await TestServer.start();
  client = await RegistryClient.joined(server);
});

afterEach(async () => {
  expect((await server.request('/healthz')).status).toBe(200);
  expect((await client.get('/1.0/images')).metadata).toEqual([]);
  expect(await readdir(join(server.config.dataDir, 'staging'))).toEqual([]);
});

/** How an upload fails: at once, or as its operation. */
async function failure(answer: RegistryAnswer): Promise<string> {
  if (answer.type === 'error') return answer.error;
  const operation = await ended(client, answer);
  expect(operation).toMatchObject({ status: 'Failure' });
  return String(operation['err']);
}

async function send(
  parts: [string, Buffer][],
  headers: Record<string, string> = {},
): Promise<RegistryAnswer> {
  const { body, contentType } = multipart(parts);
  return await client.request('POST', '/1.0/images', {
    body,
    headers: { 'content-type': contentType, ...headers },
  });
}

describe('a multipart body', () => {
  test('with its parts in the wrong order is refused', async () => {
    const { metadata, root } = await makeImage();
    const said = await failure(
      await send([
        ['rootfs', root],
        ['metadata', metadata],
      ]),
    );
    expect(said).toMatch(/metadata/);
  });

  test.each<[string, (image: ImageBytes) => [string, Buffer][]]>([
    ['no part', () => []],
    ['metadata alone', ({ metadata }) => [['metadata', metadata]]],
    [
      'metadata twice',
      ({ metadata }) => [
        ['metadata', metadata],
        ['metadata', metadata],
      ],
    ],
    [
      'a root that is none',
      ({ metadata }) => [
        ['metadata', metadata],
        ['rootfs', Buffer.from('no root')],
      ],
    ],
    [
      'metadata that is none',
      ({ root }) => [
        ['metadata', Buffer.from('nothing')],
        ['rootfs', root],
      ],
    ],
    [
      'names that climb',
      ({ metadata, root }) => [
        ['../../metadata', metadata],
        ['rootfs', root],
      ],
    ],
  ])('with %s is refused', async (_, parts) => {
    expect(await failure(await send(parts(await makeImage())))).not.toBe('');
  });

  test('that is not the image that was announced is refused', async () => {
    const said = await failure(
      await upload(client, await makeImage(), { 'x-lxd-fingerprint': 'ab'.repeat(32) }),
    );
    expect(said).toMatch(/fingerprint/i);
  });
});

test('a metadata tarball that unpacks to 10 GiB is refused, with memory bounded', async () => {
  const { root } = await makeImage();
  const pack = (bytes: Buffer) => tool('zstd', ['-q', '-c', '-1', '--no-check'], bytes);
  const zeros = pack(Buffer.alloc(128 * 2 ** 20));
  const bomb = Buffer.concat([
    pack(tarHeader('templates/zeros', 10 * 2 ** 30)),
    ...Array<Buffer>(80).fill(zeros),
  ]);
  expect(bomb.length).toBeLessThan(2 * 2 ** 20);
  const before = process.memoryUsage.rss();
  const said = await failure(
    await send([
      ['metadata', bomb],
      ['rootfs', root],
    ]),
  );
  expect(said).toMatch(/metadata/);
  expect(process.memoryUsage.rss() - before).toBeLessThan(512 * 2 ** 20);
}, 120_000);

describe('a daemon that we do not know', () => {
  const announce = async ({ fingerprint }: ImageBytes) => {
    const source = { type: 'image', mode: 'push', fingerprint };
    const answer = await client.request('POST', '/1.0/images', { json: { source, public: false } });
    return (answer.metadata['metadata'] as { secret: string }).secret;
  };

  test.each([
    ['without a secret', undefined],
    ['with an empty one', ''],
    ['with a guess', 'a'.repeat(43)],
  ])('may not send an image: %s', async (_, secret) => {
    const image = await makeImage();
    await announce(image);
    const daemon = RegistryClient.anonymous(server);
    const answer = await upload(daemon, image, secret === undefined ? {} : { 'x-lxd-secret': secret });
    expect(answer).toMatchObject({ type: 'error', status: 403 });
  });

  test('may not send another image than the one that was announced', async () => {
    const secret = await announce(await makeImage());
    const other = await makeImage({ release: 'other' });
    const daemon = RegistryClient.anonymous(server);
    const headers = { 'x-lxd-secret': secret, 'x-lxd-fingerprint': other.fingerprint };
    const answer = await upload(daemon, other, headers);
    const said = answer.type === 'error' ? answer.error : String((await waited(daemon, answer))['err']);
    expect(said).toMatch(/announced/);
    // The secret is used up.
    expect(await upload(daemon, other, headers)).toMatchObject({ type: 'error', status: 403 });
  });

  async function waited(daemon: RegistryClient, answer: RegistryAnswer): Promise<Record<string, unknown>> {
    const { secret } = answer.metadata['metadata'] as { secret: string };
    return (await daemon.get(`${answer.operation}/wait?timeout=20&secret=${secret}`)).metadata;
  }
});

test('a fingerprint is not guessed digit by digit', async () => {
  const image = await makeImage();
  await ended(client, await upload(client, image));
  for (const length of [1, 2, 5]) {
    const prefix = image.fingerprint.slice(0, length);
    for (const path of [`/1.0/images/${prefix}`, `/1.0/images/${prefix}/export`]) {
      expect(await client.get(path)).toMatchObject({ status: 404, type: 'error' });
    }
    const alias = { name: 'guess', target: prefix };
    expect(await client.request('POST', '/1.0/images/aliases', { json: alias })).toMatchObject({
      status: 404,
    });
    expect(await client.request('DELETE', `/1.0/images/${prefix}`)).toMatchObject({ status: 404 });
  }
  const found = await client.get(`/1.0/images/${image.fingerprint.slice(0, 6)}`);
  expect(found.metadata).toMatchObject({ fingerprint: image.fingerprint });
  await ended(client, await client.request('DELETE', `/1.0/images/${image.fingerprint}`));
});

/** The header of a file of a tar archive. */
function tarHeader(name: string, size: number): Buffer {
  const header = Buffer.alloc(512);
  header.write(name);
  header.write('0000644\0', 100);
  header.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  header.write('        0', 148);
  header.write('ustar\0', 257);
  header.write('00', 263);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}
