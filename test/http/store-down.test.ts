import { readFile } from 'node:fs/promises';
import { expect, onTestFinished, test } from 'vitest';
import { FaultProxy } from '../support/fault-proxy.ts';
import { TestServer } from '../support/server.ts';
import { describeWithCeph } from '../support/shared-ceph.ts';
import { makeSmallImage } from '../support/small-images.ts';

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
    const root = await readFile(image.root);
    await server.publish({
      files: [image.metadata, image.root].map((file) => ({ from: 'disk', name: file, path: file })),
    });
    expect((await server.request(path)).body.equals(root)).toBe(true);
    gateway.inject({
      do: { kind: 'hold-answer', after: 1000 },
      when: ({ method }) => method === 'GET',
      times: 1,
    });
    const cut = server.request(path);
    const outcome = cut.then(
      ({ status }) => status,
      () => 'broken',
    );
    await expect.poll(() => gateway.requests.at(-1)?.method).toBe('GET');
    await gateway.refuse();
    // Before the headers an error, after them a broken connection.
    expect([503, 'broken']).toContain(await outcome);
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
