import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Digest } from '../../src/model/digest.ts';
import { flip } from '../ops/scrub/flip.ts';
import { provesScrub, scrubbedServer } from './scrubbed-server.ts';

function pathIn(dataDir: string, digest: Digest): string {
  return join(dataDir, 'blobs/sha256', digest.slice(0, 2), digest);
}

test('a flipped byte in a directory is found, served no longer, and mended', async () => {
  const world = await scrubbedServer();
  await provesScrub(world, async (digest) => flip(pathIn(world.server.config.dataDir, digest)));
});

test('a server scrubs on schedule', async () => {
  const { server, services, digest, fetch } = await scrubbedServer({ scrub: { every: '50ms', rate: '0' } });
  await flip(pathIn(server.config.dataDir, digest));
  await expect.poll(fetch).toEqual({ status: 503, isRight: false });
  await expect.poll(async () => (await services.catalog.scrubs.state()).last).toBeDefined();
});

test('a blob that a request misses is fetched again by the next run, without a scrub', async () => {
  const { server, services, digest, fetch, run } = await scrubbedServer({ scrub: { every: '0s' } });
  await rm(pathIn(server.config.dataDir, digest));
  expect(await fetch()).toEqual({ status: 503, isRight: false });
  await expect.poll(async () => (await services.catalog.storage.lostSize()).blobs).toBe(1);
  expect(await run()).toBe('success');
  expect(await fetch()).toEqual({ status: 200, isRight: true });
  expect((await services.catalog.scrubs.state()).last).toBeUndefined();
});
