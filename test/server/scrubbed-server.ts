import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import type { Overrides } from '../../src/config/load.ts';
import { runMirror } from '../../src/mirror/run/run.ts';
import { type Digest, parseDigest } from '../../src/model/digest.ts';
import type { ScrubReport } from '../../src/ops/scrub/scrub-report.ts';
import { TestUpstream } from '../mirror/test-upstream.ts';
import { definition } from '../mirror/workspace.ts';
import { TestServer } from '../support/server.ts';

const directory = 'images/debian/bookworm/amd64/default/20260101_0000';

/** A server with a mirrored image. */
export async function scrubbedServer(overrides: Overrides = {}, env: Record<string, string> = {}) {
  const upstream = await TestUpstream.start();
  await upstream.offer('debian:bookworm:amd64:default', '20260101_0000', { size: 400_000 });
  const mirror = definition(upstream.url);
  const server = await TestServer.start({ tls: 'off', ...overrides }, [mirror], env);
  const token = await server.token(['admin']);
  const services = { ...server.workspace, dataDir: server.config.dataDir };
  const ask = async (path: string, method = 'GET') =>
    await server.request(path, { scheme: 'http', method, token });
  const run = async () => (await runMirror(mirror, services, { cause: 'manual' })).outcome;
  expect(await run()).toBe('success');
  const root = upstream.files.get(`${directory}/rootfs.squashfs`) ?? Buffer.alloc(0);
  const digest: Digest = parseDigest(createHash('sha256').update(root).digest('hex'));
  return {
    ...{ server, upstream, services, run, ask, token, root, digest },
    /** What a client gets of the root. */
    fetch: async () => {
      const { status, body } = await server.request(`/${directory}/rootfs.squashfs`, { scheme: 'http' });
      return { status, isRight: body.equals(root) };
    },
    /** Scrubs through the API, and waits for the end. */
    scrub: async () => {
      const begun = await ask('/api/v1/storage/scrub', 'POST');
      expect(begun.status).toBe(202);
      const { round } = begun.json() as ScrubReport;
      const report = async () => (await ask('/api/v1/storage/scrub')).json() as ScrubReport;
      await expect.poll(async () => (await report()).last?.startedAt).toBe(round?.startedAt);
      return await report();
    },
  };
}

/**
 * A flipped byte in the store is found by a scrub, served no longer, and mended by the next run of its mirror, or by a
 * repair on demand.
 * @param flip changes a byte of a blob in the store
 */
export async function provesScrub(
  { services, run, ask, fetch, scrub, digest, upstream }: Awaited<ReturnType<typeof scrubbedServer>>,
  flip: (digest: Digest) => Promise<void>,
): Promise<void> {
  const { blobs } = await services.catalog.size();
  expect(await scrub()).toMatchObject({ last: { blobs, damaged: 0, missing: 0 }, lost: { blobs: 0 } });
  expect(await run()).toBe('unchanged');
  await flip(digest);
  expect(await fetch()).toEqual({ status: 200, isRight: false });
  expect(await scrub()).toMatchObject({
    last: {
      blobs,
      damaged: 1,
      lost: [{ digest, state: 'damaged', versions: [{ owner: 'mirror:test' }] }],
    },
    lost: { blobs: 1 },
  });
  expect(await fetch()).toEqual({ status: 503, isRight: false });
  expect((await ask('/metrics')).body.toString()).toContain('\nheadwater_scrub_damaged 1\n');
  expect((await ask('/readyz')).json()).toMatchObject({
    warning: expect.stringContaining('1 blobs are damaged'),
  });
  expect((await ask('/api/v1/storage')).json()).toMatchObject({
    setAside: { damaged: { blobs: 1 } },
    scrub: { lost: { blobs: 1 } },
  });
  const [entry] = await services.catalog.audit.list({ limit: 1 });
  expect(entry).toMatchObject({ who: 'scrub', action: 'blob.lose', subject: `sha256:${digest}` });
  // The upstream has not changed: only the lost file is fetched.
  upstream.takeRequests();
  expect(await run()).toBe('success');
  expect(upstream.takeRequests().filter((line) => line.includes(' images/'))).toEqual([
    `GET ${directory}/rootfs.squashfs 200`,
  ]);
  expect(await fetch()).toEqual({ status: 200, isRight: true });
  expect(await scrub()).toMatchObject({ last: { damaged: 0, missing: 0 }, lost: { blobs: 0 } });
  expect((await ask('/metrics')).body.toString()).toContain('\nheadwater_scrub_damaged 0\n');
  expect(await run()).toBe('unchanged');
}
