import { createHash } from 'node:crypto';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import type { MirrorServices } from '../../src/mirror/mirror-services.ts';
import { type Digest, parseDigest } from '../../src/model/digest.ts';
import { publish } from '../../src/publish/publisher.ts';
import { type ArrivingFile, type PushRequest, push } from '../../src/publish/push.ts';
import { inChunks } from '../blobs/bytes.ts';
import { mirrorServices } from '../mirror/workspace.ts';
import { TestServer } from '../support/server.ts';
import { makeSmallImage } from '../support/small-images.ts';

const digestOf = (bytes: Buffer) => parseDigest(createHash('sha256').update(bytes).digest('hex'));

/** Changes a byte of a blob on the disk. */
async function damage(dataDir: string, digest: Digest): Promise<void> {
  const handle = await open(join(dataDir, 'blobs/sha256', digest.slice(0, 2), digest), 'r+');
  const { bytesRead, buffer: byte } = await handle.read(Buffer.alloc(1), 0, 1, 50);
  expect(bytesRead).toBe(1);
  await handle.write(Buffer.from([(byte[0] ?? 0) ^ 1]), 0, 1, 50);
  await handle.close();
}

/** Small files are stored together, large ones alone. */
async function setUp(size: number) {
  const image = await makeSmallImage({ size });
  const bytes = await Promise.all([image.metadata, image.root].map((path) => readFile(path)));
  const services = await mirrorServices();
  const digests = bytes.map(digestOf);
  const expectRight = async () => {
    for (const [index, digest] of digests.entries()) {
      expect((await buffer(await services.store.read(digest))).equals(bytes[index] ?? Buffer.alloc(0))).toBe(
        true,
      );
    }
  };
  const damageBoth = async ({ dataDir }: Pick<MirrorServices, 'dataDir'>) => {
    for (const digest of digests) await damage(dataDir, digest);
  };
  return { image, bytes, services, digests, expectRight, damageBoth };
}

describe.each([2000, 1_500_000])('bytes that were read replace damaged ones: %i bytes', (size) => {
  test.each([false, true])('publish, in place: %s', async (inPlace) => {
    const { image, services, expectRight, damageBoth } = await setUp(size);
    const files = [image.metadata, image.root].map((path) => ({
      from: 'disk' as const,
      name: path,
      path,
      inPlace,
    }));
    await publish(services.destination, { files: files.map((file) => ({ ...file, inPlace: false })) });
    await damageBoth(services);
    expect((await publish(services.destination, { files })).outcome).toBe('unchanged');
    await expectRight();
  });

  test('push', async () => {
    const { bytes, services, expectRight, damageBoth } = await setUp(size);
    const request: PushRequest = {
      stream: 'pushed',
      aliases: [],
      public: false,
      properties: {},
      profiles: [],
      filename: '',
      autoUpdate: false,
      pushedBy: 'client:ann',
    };
    const pushed = async () => {
      async function* files(): AsyncGenerator<ArrivingFile> {
        for (const [index, file] of bytes.entries()) {
          yield { name: `file ${index}`, size: file.length, bytes: inChunks(file) };
        }
      }
      return await push(services.destination, files(), request, { quotas: {} });
    };
    await pushed();
    await damageBoth(services);
    expect((await pushed()).outcome).toBe('unchanged');
    await expectRight();
  });
});

test('the API reads what it has before it says so, and takes the right bytes', async () => {
  const server = await TestServer.start();
  const token = await server.token(['publish']);
  const { root } = await makeSmallImage({ size: 1_500_000 });
  const body = await readFile(root);
  const path = `/api/v1/blobs/sha256:${digestOf(body)}`;
  const put = async () => (await server.request(path, { method: 'PUT', token, body })).status;
  const head = async () => (await server.request(path, { method: 'HEAD', token })).status;
  const isRight = async () => (await buffer(await server.workspace.store.read(digestOf(body)))).equals(body);
  expect(await put()).toBe(201);
  await damage(server.config.dataDir, digestOf(body));
  expect(await head()).toBe(404);
  expect(await isRight()).toBe(false);
  expect(await put()).toBe(201);
  expect(await isRight()).toBe(true);
  expect(await head()).toBe(200);
  // A blob that was right a moment ago is not read again. An upload of its bytes still repairs it.
  await damage(server.config.dataDir, digestOf(body));
  expect(await put()).toBe(200);
  expect(await isRight()).toBe(true);
});

test('no fingerprint is computed from damaged bytes', async () => {
  const { image, services, digests } = await setUp(1_500_000);
  const files = [];
  for (const path of [image.metadata, image.root]) {
    const { digest } = await services.destination.store({ from: 'disk', name: path, path });
    files.push({ from: 'blob' as const, name: path, digest });
  }
  const [metadata = digestOf(Buffer.alloc(0)), root = metadata] = digests;
  for (const digest of [root, metadata]) {
    await damage(services.dataDir, digest);
    await expect(publish(services.destination, { files })).rejects.toMatchObject({
      kind: 'unavailable',
      message: expect.stringMatching(`${digest} is damaged`),
    });
    expect(await services.catalog.fingerprints.find(metadata, root)).toBeUndefined();
    await damage(services.dataDir, digest);
  }
  expect((await publish(services.destination, { files })).outcome).toBe('created');
});
