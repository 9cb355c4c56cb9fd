import { once } from 'node:events';
import type { Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { imagePath, PreparedImage } from '../../support/child-server.ts';

const polled = { timeout: 30_000, interval: 100 };

let prepared: PreparedImage;
beforeAll(async () => {
  prepared = await PreparedImage.make(24_000_000);
});
afterAll(() => prepared.remove());

/** What README promises, in MiB. */
const bound = 300;

test('a thousand downloads at once take little memory, and two files each', async () => {
  const server = await prepared.start();
  await expect.poll(async () => (await server.request(imagePath)).status, polled).toBe(200);
  const before = { memory: server.memory, descriptors: server.descriptors };
  const sockets: Socket[] = [];
  while (sockets.length < 1000) {
    const several = await Promise.all(Array.from({ length: 50 }, () => server.connect()));
    for (const socket of several) socket.write(`GET ${imagePath} HTTP/1.1\r\nHost: x\r\n\r\n`);
    sockets.push(...several);
  }
  await expect.poll(() => server.descriptors, polled).toBeGreaterThanOrEqual(before.descriptors + 2000);
  expect(server.descriptors).toBeLessThanOrEqual(before.descriptors + 2010);
  expect((await server.request('/healthz')).status).toBe(200);
  expect(server.memory - before.memory).toBeLessThan(bound);
  for (const socket of sockets) socket.destroy();
  await expect.poll(() => server.descriptors, polled).toBeLessThanOrEqual(before.descriptors);
}, 240_000);

test('an export that is left half way closes both files', async () => {
  const server = await prepared.start();
  const list = async () => JSON.parse((await server.request('/1.0/images')).body) as { metadata: string[] };
  await expect.poll(async () => (await list()).metadata.length, polled).toBe(1);
  const path = `${(await list()).metadata[0]}/export`;
  const before = server.descriptors;
  for (let round = 0; round < 20; round++) {
    const socket = await server.connect();
    socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
    if (round % 2 === 0) await once(socket.resume(), 'data');
    socket.destroy();
  }
  await expect.poll(() => server.descriptors, polled).toBeLessThanOrEqual(before);
});
