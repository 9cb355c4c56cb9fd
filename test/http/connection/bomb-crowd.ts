import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import { packers } from '../../image/tools.ts';
import { ChildServer } from '../../support/child-server.ts';
import { tarHeader } from '../../support/tar-header.ts';

const mebibyte = 1024 * 1024;

/**
 * Sends eight archives at once that unpack to gigabytes, and expects that they are refused while others are served.
 * @param options.large how many of them are larger than what is held in memory until all of it is here
 * @param options.bound MiB of memory that all of them may take
 */
export async function expectBombsRefused(
  settings: string[],
  { large, bound }: { large: number; bound: number },
): Promise<void> {
  const server = await ChildServer.start(settings);
  const token = await server.publisher('eight');
  const zeros = packers.bzip2(Buffer.alloc(45 * mebibyte));
  const bombs = Array.from({ length: 8 }, (_, index) => {
    const streams = Buffer.concat(Array<Buffer>(60).fill(zeros));
    const padding = index < large ? Buffer.alloc(300_000) : Buffer.alloc(0);
    return Buffer.concat([packers.bzip2(tarHeader(`rootfs/zeros${index}`, '77777777777')), streams, padding]);
  });
  expect((await server.request('/healthz')).status).toBe(200);
  const before = server.memory;
  const uploads = bombs.map((body) => {
    const digest = createHash('sha256').update(body).digest('hex');
    const headers = { authorization: `Bearer ${token}`, 'content-length': String(body.length) };
    return server.request(`/api/v1/blobs/sha256:${digest}`, { method: 'PUT', headers, body });
  });
  let underWay = true;
  const outcomes = Promise.all(uploads).finally(() => {
    underWay = false;
  });
  while (underWay) expect((await server.request('/healthz')).status).toBe(200);
  for (const { status, body } of await outcomes) {
    expect(status).toBe(422);
    expect(body).toContain('as only a decompression bomb does');
  }
  expect(server.peakMemory - before).toBeLessThan(bound);
  expect(await server.metric('headwater_examinations_running')).toBe(0);
  expect(await server.metric('headwater_examinations_waiting')).toBe(0);
}
