import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { request } from 'undici';
import { expect, onTestFinished, test } from 'vitest';
import { scratchDirectory } from '../support/catalog.ts';
import { FaultProxy } from '../support/fault-proxy.ts';
import { TestServer } from '../support/server.ts';
import { describeWithCeph } from '../support/shared-ceph.ts';
import { makeSmallImage } from '../support/small-images.ts';

const mebibyte = 1024 * 1024;
const path = '/images/debian/bookworm/amd64/default/20260101_0000/rootfs.squashfs';

describeWithCeph('a server whose S3 store goes down', (service) => {
  test('says so, never ends an answer short, and recovers by itself', async () => {
    const { endpoint, accessKey, secretKey } = service();
    const gateway = await FaultProxy.start(endpoint);
    onTestFinished(() => gateway.stop());
    const server = await TestServer.start(
      {
        storage: {
          type: 's3',
          endpoint: gateway.url,
          bucket: 'headwater-store-down',
          prefix: `${Date.now()}/`,
          createBucket: true,
        },
      },
      [],
      { HEADWATER_S3_ACCESS_KEY: accessKey, HEADWATER_S3_SECRET_KEY: secretKey },
    );
    const image = await makeSmallImage();
    // More than what is read ahead in one piece.
    const root = Buffer.concat([await readFile(image.root), randomBytes(8 * mebibyte)]);
    const file = join(await scratchDirectory(), 'rootfs.squashfs');
    await writeFile(file, root);
    await server.publish({
      files: [image.metadata, file].map((path) => ({ from: 'disk', name: path, path })),
    });
    expect((await server.request(path)).body.equals(root)).toBe(true);
    gateway.inject({
      do: { kind: 'hold-answer', after: 4 * mebibyte },
      when: ({ method }) => method === 'GET',
      times: 1,
    });
    const response = await request(server.url(path), { dispatcher: server.agent });
    expect(response.statusCode).toBe(200);
    expect(response.headers['content-length']).toBe(String(root.length));
    let received = 0;
    const reading = (async () => {
      for await (const chunk of response.body) received += (chunk as Buffer).length;
    })();
    reading.catch(() => undefined);
    await expect.poll(() => received, { timeout: 10_000 }).toBeGreaterThan(mebibyte);
    await gateway.refuse();
    await expect(reading).rejects.toThrow();
    expect(received).toBeLessThan(root.length);
    const down = await server.request(path);
    expect(down.status).toBe(503);
    expect(down.headers).not.toHaveProperty('last-modified');
    expect(down.json()).toMatchObject({
      error: { kind: 'unavailable', message: expect.stringContaining('connection refused') },
    });
    expect((await server.request('/readyz')).status).toBe(503);
    await gateway.accept();
    gateway.reset();
    expect((await server.request(path)).body.equals(root)).toBe(true);
    await expect.poll(async () => (await server.request('/readyz')).status, { timeout: 10_000 }).toBe(200);
  }, 60_000);
});
