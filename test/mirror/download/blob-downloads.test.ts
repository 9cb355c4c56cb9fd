import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { BlobDownloads } from '../../../src/mirror/download/blob-downloads.ts';
import { Downloader } from '../../../src/mirror/upstream/downloader.ts';
import { parseDigest } from '../../../src/model/digest.ts';
import { FaultProxy } from '../../support/fault-proxy.ts';
import { TestUpstream } from '../test-upstream.ts';
import { mirrorServices } from '../workspace.ts';

const product = 'debian:bookworm:amd64:default';
const serial = '20260101_0000';

/** A large file of an upstream, behind a proxy that misbehaves. */
async function setUp(options: { idle?: number; bandwidth?: number } = {}) {
  const upstream = await TestUpstream.start();
  await upstream.offer(product, serial, { size: 1_500_000 });
  const said = upstream.products[product]?.versions[serial]?.items?.['root.squashfs'] ?? {};
  const file = {
    path: String(said['path']),
    size: Number(said['size']),
    sha256: parseDigest(String(said['sha256'])),
  };
  const proxy = await FaultProxy.start(upstream.url);
  const { idle, bandwidth } = options;
  const downloader = new Downloader(
    { bases: [proxy.url], concurrency: 2, ...(bandwidth === undefined ? {} : { bandwidth }) },
    { backoff: { attempts: 3, firstDelay: 1, longestDelay: 5 }, ...(idle === undefined ? {} : { idle }) },
  );
  onTestFinished(async () => {
    await downloader.close();
    await proxy.stop();
  });
  const parts = await mirrorServices();
  const directory = join(parts.dataDir, 'downloads');
  const downloads = new BlobDownloads({ ...parts, downloader, directory, concurrency: 2 });
  const left = async () => await readdir(directory).catch(() => []);
  return { upstream, proxy, parts, downloads, file, left };
}

test('a file that is damaged on its way is fetched once more', async () => {
  const { proxy, downloads, file, parts, left } = await setUp();
  proxy.inject({ do: { kind: 'corrupt-answer', at: 1_000_000 }, times: 1 });
  expect(await downloads.download(file)).toMatchObject({
    digest: file.sha256,
    size: file.size,
  });
  expect(downloads.received).toBe(2 * file.size);
  expect(proxy.requests).toHaveLength(2);
  expect(await parts.store.stat(file.sha256)).toMatchObject({ size: file.size });
  expect(await left()).toEqual([]);
});

test('a file that is wrong again is given up, and nothing of it stays', async () => {
  const { proxy, downloads, file, parts, left } = await setUp();
  proxy.inject({ do: { kind: 'corrupt-answer', at: 1_000_000 } });
  await expect(downloads.download(file)).rejects.toMatchObject({
    kind: 'invalid',
    message: expect.stringContaining(file.path),
  });
  expect(proxy.requests).toHaveLength(2);
  expect(await parts.store.stat(file.sha256)).toBeUndefined();
  expect(await left()).toEqual([]);
});

test('a file that is larger than announced is refused as soon as it is', async () => {
  const { upstream, downloads, file, parts } = await setUp();
  upstream.files.set(file.path, Buffer.alloc(file.size + 1_000_000));
  await expect(downloads.download(file)).rejects.toThrow(`sends more than ${file.size} bytes`);
  expect(await parts.store.stat(file.sha256)).toBeUndefined();
});

test('a file that two ask for by different paths comes once, and is called what each asked for', async () => {
  const { downloads, file, proxy } = await setUp();
  const other = { ...file, path: `${file.path}?again` };
  const kept = await Promise.all([downloads.download(file), downloads.download(other)]);
  expect(kept.map(({ name }) => name)).toEqual([file.path, other.path]);
  expect(proxy.requests).toHaveLength(1);
});

test('a file that is what was announced, and ends too early for an image, is refused and does not stay', async () => {
  const { upstream, downloads, file, parts, left } = await setUp();
  const cut = (upstream.files.get(file.path) ?? Buffer.alloc(0)).subarray(0, 1_300_000);
  upstream.files.set(file.path, cut);
  const sha256 = parseDigest(upstream.digestOf(file.path));
  await expect(downloads.download({ ...file, sha256, size: cut.length })).rejects.toMatchObject({
    kind: 'invalid',
  });
  expect(await parts.store.stat(sha256)).toBeUndefined();
  expect(await left()).toEqual([]);
});

test('an upstream that ends early is asked again, and then said to be at fault', async () => {
  const { upstream, downloads, file, proxy } = await setUp();
  const whole = upstream.files.get(file.path) ?? Buffer.alloc(0);
  upstream.files.set(file.path, whole.subarray(0, 1_200_000));
  await expect(downloads.download(file)).rejects.toMatchObject({
    kind: 'unavailable',
    message: expect.stringMatching(/sent 1200000 bytes of \d+/),
  });
  expect(proxy.requests.length).toBeGreaterThan(2);
  // What came may be worth keeping; but the upstream's file is another one by now.
  upstream.files.set(file.path, whole);
  proxy.reset();
  const before = downloads.received;
  await downloads.download(file);
  expect(downloads.received - before).toBe(file.size);
  expect(proxy.requests.map(({ headers }) => headers.range)).toEqual(['bytes=1200000-', undefined]);
});

test('answers that are refused unread give their connections back', async () => {
  const { upstream, downloads, file } = await setUp();
  for (let round = 0; round < 4; round++) {
    await expect(downloads.download({ ...file, size: file.size - 1 })).rejects.toMatchObject({
      kind: 'invalid',
    });
  }
  expect(upstream.requests.length).toBe(8);
  expect(await downloads.download(file)).toMatchObject({ digest: file.sha256 });
});

test('after a restart it goes on where it broke, if the file is still the same', async () => {
  const { proxy, downloads, file, parts } = await setUp();
  proxy.inject({ do: { kind: 'cut-answer', after: 1_200_000 } });
  await expect(downloads.download(file)).rejects.toMatchObject({ kind: 'unavailable' });
  proxy.reset();
  const downloader = new Downloader({ bases: [proxy.url], concurrency: 1 });
  onTestFinished(() => downloader.close());
  const again = new BlobDownloads({
    ...parts,
    downloader,
    directory: join(parts.dataDir, 'downloads'),
    concurrency: 1,
  });
  await again.download(file);
  expect(again.received).toBeLessThan(file.size);
  expect(proxy.requests).toHaveLength(1);
  expect(proxy.requests[0]?.headers).toMatchObject({
    range: expect.stringMatching(/^bytes=\d+-$/),
    'if-range': expect.stringMatching(/^".+"$/),
  });
});

test('more than the upstream has is thrown away, and the file fetched anew', async () => {
  const { proxy, downloads, file, left } = await setUp();
  proxy.inject({ do: { kind: 'cut-answer', after: 1_200_000 } });
  await expect(downloads.download(file)).rejects.toMatchObject({ kind: 'unavailable' });
  expect(await left()).not.toEqual([]);
  proxy.reset();
  proxy.inject({ do: { kind: 'answer', status: 416 }, times: 1 });
  const before = downloads.received;
  expect(await downloads.download(file)).toMatchObject({ digest: file.sha256 });
  expect(downloads.received - before).toBe(file.size);
  expect(await left()).toEqual([]);
});

test('an answer that stalls is broken off and asked for again', async () => {
  const { downloads, file, proxy } = await setUp({ idle: 300 });
  proxy.inject({ do: { kind: 'hold-answer', after: 1_000_000 }, times: 1 });
  expect(await downloads.download(file)).toMatchObject({ digest: file.sha256 });
  expect(proxy.requests).toHaveLength(2);
});

test('bytes come no faster than they may', async () => {
  const { downloads, file } = await setUp({ bandwidth: 5_000_000 });
  const started = performance.now();
  await downloads.download(file);
  // The last piece need not be waited for.
  expect(performance.now() - started).toBeGreaterThan(((file.size - 65_536) / 5_000_000) * 1000 - 50);
});

test('the fingerprint of a large root is computed while it arrives', async () => {
  const { upstream, downloads, file, parts } = await setUp();
  const { items } = upstream.products[product]?.versions[serial] ?? { items: {} };
  const said = items['lxd.tar.xz'] ?? {};
  const metadata = {
    path: String(said['path']),
    size: Number(said['size']),
    sha256: parseDigest(String(said['sha256'])),
  };
  await downloads.downloadAll([{ metadata, roots: [file], deltas: [] }]);
  const { sha256: root = '' } = file;
  expect(await parts.catalog.fingerprints.find(metadata.sha256, root)).toBe(said['combined_squashfs_sha256']);
});
