import type { Socket } from 'node:net';
import { expect } from 'vitest';
import { imagePath, type PreparedImage } from '../../support/child-server.ts';

const polled = { timeout: 30_000, interval: 100 };

/**
 * Begins many downloads at once, none of which is read, and expects that they open two files each (the connection and the
 * blob), that the server answers meanwhile, and that nothing of them stays.
 * @param options.bound MiB of memory that they may take
 */
export async function expectCrowd(
  prepared: PreparedImage,
  { count, bound }: { count: number; bound: number },
): Promise<void> {
  const server = await prepared.start();
  expect((await server.request(imagePath)).status).toBe(200);
  const before = { memory: server.memory, descriptors: server.descriptors };
  const sockets: Socket[] = [];
  while (sockets.length < count) {
    const several = await Promise.all(Array.from({ length: 50 }, () => server.connect()));
    for (const socket of several) socket.write(`GET ${imagePath} HTTP/1.1\r\nHost: x\r\n\r\n`);
    sockets.push(...several);
  }
  await expect.poll(() => server.descriptors, polled).toBeGreaterThanOrEqual(before.descriptors + 2 * count);
  expect(server.descriptors).toBeLessThanOrEqual(before.descriptors + 2 * count + 10);
  expect((await server.request('/healthz')).status).toBe(200);
  expect(server.memory - before.memory).toBeLessThan(bound);
  for (const socket of sockets) socket.destroy();
  await expect.poll(() => server.descriptors, polled).toBeLessThanOrEqual(before.descriptors);
}
