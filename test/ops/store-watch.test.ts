import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { OnDemandStore } from '../../src/mirror/on-demand/on-demand-store.ts';
import { createLogger } from '../../src/ops/log.ts';
import { StoreLease } from '../../src/ops/store-lease.ts';
import { StoreWatch } from '../../src/ops/store-watch.ts';
import { Uploads } from '../../src/publish/resumable-uploads.ts';
import { collectRegularly } from '../../src/server/housekeeping.ts';
import { put, sample } from '../blobs/bytes.ts';
import { TestServer } from '../support/server.ts';
import { makeSmallImage } from '../support/small-images.ts';

async function metric(server: TestServer, name: string): Promise<number> {
  const { body } = await server.request('/metrics', { scheme: 'http' });
  return Number(new RegExp(`^${name} (.*)$`, 'm').exec(body.toString())?.[1]);
}

async function listed(server: TestServer): Promise<number> {
  let blobs = 0;
  for await (const _ of server.workspace.store.list()) blobs++;
  return blobs;
}

test('a server whose catalog was lost serves, and says that it removes nothing', async () => {
  const first = await TestServer.start({ tls: 'off', gracePeriod: '1s' });
  const image = await makeSmallImage();
  await first.publish({
    files: [image.metadata, image.root].map((path) => ({ from: 'disk', name: path, path })),
  });
  expect(await metric(first, 'headwater_store_owned')).toBe(1);
  await first.server.close();
  await first.workspace.close();
  for (const end of ['', '-wal', '-shm'])
    await rm(join(first.config.dataDir, `catalog.db${end}`), { force: true });

  const second = await TestServer.start({ tls: 'off', gracePeriod: '1s', dataDir: first.config.dataDir });
  expect((await second.request('/readyz', { scheme: 'http' })).status).toBe(200);
  expect(await metric(second, 'headwater_store_owned')).toBe(0);
  // Later rounds, too.
  await new Promise((resolve) => setTimeout(resolve, 2500));
  expect(await listed(second)).toBe(2);
  expect(await metric(second, 'headwater_store_set_aside_blobs')).toBe(0);
});

test('the first round after a start removes no blob; a later one sets it aside', async () => {
  const { workspace, config } = await TestServer.start({ tls: 'off' });
  const { catalog, store } = workspace;
  await put(store, sample(100));
  const log = createLogger({ level: 'silent', format: 'json' });
  const lease = await StoreLease.open(store, workspace.catalogFile);
  const watch = new StoreWatch({ catalog, store, lease, log });
  await watch.start();
  const uploads = new Uploads({
    directory: join(config.dataDir, 'uploads'),
    uploadersOf: (digest) => catalog.blobs.uploaders(digest),
    limit: 1,
    unfinished: { uploads: 1, bytes: 1, unpublished: () => Promise.resolve(0) },
  });
  const hooks = { onFetched: vi.fn(), onFailed: vi.fn(), onEvicted: vi.fn(), onError: vi.fn() };
  const onDemand = new OnDemandStore([], { ...workspace, dataDir: config.dataDir }, hooks);
  const count = async () => {
    let blobs = 0;
    for await (const _ of store.list()) blobs++;
    return blobs;
  };
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  try {
    const stop = collectRegularly(
      workspace,
      { uploads, onDemand, watch, reserve: { isWhole: true } },
      { ...config, gracePeriod: 0 },
      log,
    );
    await vi.advanceTimersByTimeAsync(900);
    expect(await count()).toBe(1);
    await vi.advanceTimersByTimeAsync(200);
    await stop();
    expect(await count()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
  await watch.close();
});
