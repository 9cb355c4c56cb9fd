import { once } from 'node:events';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PreparedImage } from '../../support/child-server.ts';
import { expectCrowd } from './download-crowd.ts';

const polled = { timeout: 30_000, interval: 100 };

let prepared: PreparedImage;
beforeAll(async () => {
  prepared = await PreparedImage.make(24_000_000);
});
afterAll(() => prepared.remove());

// A thousand are in many-downloads.trial.test.ts.
test('many downloads at once take little memory, and two files each', async () => {
  await expectCrowd(prepared, { count: 250, bound: 150 });
}, 120_000);

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
