import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { afterEach, expect, test, vi } from 'vitest';
import { Refusals } from '../../../src/http/connection/refusals.ts';
import { makeImage, upload } from '../../support/push-images.ts';
import { RegistryClient } from '../../support/registry-client.ts';
import { TestServer } from '../../support/server.ts';
import { makeSmallImage } from '../../support/small-images.ts';

afterEach(() => void vi.restoreAllMocks());

const blobPath = (bytes: Buffer) =>
  `/api/v1/blobs/sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** A server, and what is noted of its refusals. */
async function start(...options: Parameters<typeof TestServer.start>) {
  const noted = vi.spyOn(Refusals.prototype, 'noteError');
  const server = await TestServer.start(...options);
  const metric = async (limit: string) => {
    const { body } = await server.request('/metrics');
    return Number(
      new RegExp(`headwater_refused_total\\{limit="${limit}"\\} (\\d+)`).exec(body.toString())?.[1],
    );
  };
  const senders = () => noted.mock.calls.map(([, address, who]) => [address, who]);
  return { server, metric, senders };
}

test('an upload over limits.uploadSize is counted once, with the token', async () => {
  const { server, metric, senders } = await start({ limits: { uploadSize: '10KiB' } });
  const token = await server.token(['publish']);
  const body = randomBytes(20_000);
  expect((await server.request(blobPath(body), { method: 'PUT', token, body })).status).toBe(413);
  expect(await metric('uploadSize')).toBe(1);
  expect(senders()).toContainEqual(['127.0.0.1', expect.stringMatching(/^token:token /)]);
});

test.each(['streamQuota', 'entryQuota'])(
  'a push over registry.%s is counted once, with the client',
  async (quota) => {
    const { server, metric, senders } = await start({ registry: { [quota]: '10KiB' } });
    const client = await RegistryClient.joined(server);
    expect((await upload(client, await makeImage())).status).toBe(413);
    expect(await metric(quota)).toBe(1);
    expect(senders()).toContainEqual(['127.0.0.1', expect.stringMatching(/^client:/)]);
  },
);

test.each([
  ['streamQuota', 'pushed'],
  ['entryQuota', 'images'],
])(
  'a publish over registry.%s through the API, into the stream %s, is counted once, with the token',
  async (quota, stream) => {
    const { server, metric, senders } = await start({ registry: { [quota]: '1KiB' } });
    const token = await server.token(['publish']);
    const image = await makeSmallImage();
    const files = [];
    for (const path of [image.metadata, image.root]) {
      const body = await readFile(path);
      expect((await server.request(blobPath(body), { method: 'PUT', token, body })).status).toBe(201);
      files.push({ digest: blobPath(body).slice('/api/v1/blobs/'.length) });
    }
    const body = JSON.stringify({ files, stream });
    const answer = await server.request('/api/v1/versions', { method: 'POST', token, body });
    expect(answer.json()).toMatchObject({
      error: { kind: 'too-large', message: expect.stringContaining('is 1024 bytes, of which 0 are used') },
    });
    expect(answer.status).toBe(413);
    expect(await metric(quota)).toBe(1);
    expect(senders()).toContainEqual(['127.0.0.1', expect.stringMatching(/^token:token /)]);
    // On this machine there is no quota.
    await server.publish({
      files: [image.metadata, image.root].map((path) => ({ from: 'disk', name: path, path })),
    });
  },
);

test('too many wrong secrets, and a body that is too large, are counted', async () => {
  const { server, metric } = await start({}, [], { HEADWATER_JOIN_SECRET: 'a secret that is long enough' });
  const client = await RegistryClient.create(server);
  for (let count = 0; count < 11; count++)
    expect((await client.join({ password: 'wrong' })).status).toBe(403);
  expect(await metric('joinAttempts')).toBe(1);
  const token = await server.token(['publish']);
  const body = ' '.repeat(1024 * 1024 + 1);
  expect((await server.request('/api/v1/versions', { method: 'POST', token, body })).status).toBe(413);
  expect(await metric('bodySize')).toBe(1);
});

test('a blob that was sent counts as unfinished until a version contains it', async () => {
  const { server, metric } = await start({ limits: { unfinishedUploadBytes: '100KB' } });
  const [token, other] = [await server.token(['publish']), await server.token(['publish'])];
  const image = await makeSmallImage({ size: 60_000 });
  const files = await Promise.all([readFile(image.metadata), readFile(image.root)]);
  const put = async (body: Buffer, as = token) =>
    (await server.request(blobPath(body), { method: 'PUT', token: as, body })).status;
  for (const bytes of files) expect(await put(bytes)).toBe(201);
  const second = await readFile((await makeSmallImage({ size: 60_000 })).root);
  expect(await put(second)).toBe(413);
  expect(await metric('unfinishedUploadBytes')).toBe(1);
  expect(await put(second, other)).toBe(201);
  const digests = files.map((bytes) => ({ digest: blobPath(bytes).slice('/api/v1/blobs/'.length) }));
  const body = JSON.stringify({ files: digests });
  expect((await server.request('/api/v1/versions', { method: 'POST', token, body })).status).toBe(201);
  expect(await put(second)).toBe(201);
});
