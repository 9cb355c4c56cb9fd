import { createHash, randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { HeadwaterError } from '../../../src/errors.ts';
import { runMirror } from '../../../src/mirror/run/run.ts';
import { Downloader } from '../../../src/mirror/upstream/downloader.ts';
import { retryAfter } from '../../../src/mirror/upstream/requests.ts';
import { scratchDirectory } from '../../support/catalog.ts';
import { FaultProxy } from '../../support/fault-proxy.ts';
import { TestServer } from '../../support/server.ts';
import { makeSmallImage } from '../../support/small-images.ts';
import { TestUpstream } from '../test-upstream.ts';
import { definition, held, mirrorServices } from '../workspace.ts';

const backoff = { attempts: 4, firstDelay: 1, longestDelay: 5 };
const manual = { cause: 'manual' as const };

/** A file behind a proxy that misbehaves; the server behind knows ranges. */
async function setUp(size = 300_000) {
  const server = await TestServer.start({ tls: 'off' });
  const image = await makeSmallImage({ size });
  const files = [
    { from: 'disk' as const, name: 'm', path: image.metadata },
    { from: 'disk' as const, name: 'r', path: image.root },
  ];
  await server.publish({ files });
  const [item] =
    (
      await server.workspace.catalog.products.find({
        stream: 'images',
        name: 'debian:bookworm:amd64:default',
      })
    )?.versions[0]?.items.filter(({ type }) => type === 'squashfs') ?? [];
  if (item === undefined) throw new Error('there is no squashfs');
  const proxy = await FaultProxy.start(server.url('', 'http'));
  const retries: string[] = [];
  const downloader = new Downloader(
    { bases: [proxy.url], concurrency: 2 },
    { backoff, onRetry: (reason) => retries.push(reason) },
  );
  onTestFinished(async () => {
    await downloader.close();
    await proxy.stop();
  });
  const path = 'images/debian/bookworm/amd64/default/20260101_0000/rootfs.squashfs';
  const digest = async (offset?: number) => {
    const hash = createHash('sha256');
    const file = { path, size: item.size };
    for await (const chunk of downloader.read(file, offset === undefined ? {} : { offset }))
      hash.update(chunk);
    return hash.digest('hex');
  };
  return { proxy, downloader, retries, item, path, digest };
}

test('a download that breaks goes on where it broke', async () => {
  const { proxy, digest, item, retries } = await setUp();
  proxy.inject({ do: { kind: 'cut-answer', after: 100_000 }, times: 2 });
  expect(await digest()).toBe(item.digest);
  expect(retries).toHaveLength(2);
  const [, second] = proxy.requests;
  expect(second?.headers['range']).toMatch(/^bytes=\d+-$/);
  expect(second?.headers['if-range']).toBe(`"${item.digest}"`);
});

test.each([500, 429])('an upstream that answers %d is asked again', async (status) => {
  const { proxy, digest, item, retries } = await setUp();
  proxy.inject({ do: { kind: 'answer', status, headers: { 'retry-after': '0' } }, times: 3 });
  expect(await digest()).toBe(item.digest);
  expect(retries).toHaveLength(3);
});

test('an upstream that fails every time is unavailable, and what is not there is not found', async () => {
  const { proxy, digest, downloader } = await setUp();
  await expect(downloader.document('streams/v1/none.json')).rejects.toMatchObject({ kind: 'not-found' });
  proxy.inject({ do: { kind: 'answer', status: 503 } });
  await expect(digest()).rejects.toMatchObject({
    kind: 'unavailable',
    message: expect.stringMatching(/answered 503/),
  });
});

test('a server that ignores Range is read from the beginning, without the part that is here', async () => {
  const upstream = await TestUpstream.start();
  const bytes = randomBytes(50_000);
  upstream.files.set('file', bytes);
  const downloader = new Downloader({ bases: [upstream.url], concurrency: 1 }, { backoff });
  onTestFinished(() => downloader.close());
  const chunks: Uint8Array[] = [];
  for await (const chunk of downloader.read({ path: 'file', size: bytes.length }, { offset: 20_000 }))
    chunks.push(chunk);
  expect(Buffer.concat(chunks).equals(bytes.subarray(20_000))).toBe(true);
  const tooMuch = async () => {
    for await (const _ of downloader.read({ path: 'file', size: 10 }));
  };
  await expect(tooMuch()).rejects.toThrow(/sends more than 10 bytes/);
});

test('a fallback gives what the first address does not have', async () => {
  const [empty, full] = [await TestUpstream.start(), await TestUpstream.start()];
  await full.offer('debian:bookworm:amd64:default', '20260101_0000');
  const parts = await mirrorServices();
  const mirror = definition(empty.url, { fallback: [full.url] });
  expect((await runMirror(mirror, parts, manual)).outcome).toBe('success');
});

/** Two addresses of one upstream, each behind a proxy that misbehaves. */
async function twoAddresses() {
  const upstream = await TestUpstream.start();
  await upstream.offer('debian:bookworm:amd64:default', '20260101_0000', { size: 1_500_000 });
  const [first, second] = [await FaultProxy.start(upstream.url), await FaultProxy.start(upstream.url)];
  onTestFinished(async () => {
    await Promise.all([first.stop(), second.stop()]);
  });
  return { upstream, first, second };
}

test('an address that fails is not asked first again, and nobody waits for it', async () => {
  const { upstream, first, second } = await twoAddresses();
  first.inject({ do: { kind: 'answer', status: 503 } });
  const downloader = new Downloader(
    { bases: [first.url, second.url], concurrency: 1 },
    { backoff: { attempts: 2, firstDelay: 600_000, longestDelay: 600_000 } },
  );
  onTestFinished(() => downloader.close());
  for (const path of ['streams/v1/index.json', 'streams/v1/images.json']) {
    const { changed } = await downloader.document(path);
    expect(changed).toBe(true);
  }
  expect(first.requests).toHaveLength(1);
  expect(second.requests).toHaveLength(2);
  expect(upstream.requests).toHaveLength(2);
});

test('what cannot be reached weighs more than what another address does not have', async () => {
  const empty = await TestUpstream.start();
  const { first } = await twoAddresses();
  first.inject({ do: { kind: 'answer', status: 503 } });
  const downloader = new Downloader({ bases: [first.url, empty.url], concurrency: 1 }, { backoff });
  onTestFinished(() => downloader.close());
  await expect(downloader.document('streams/v1/index.json')).rejects.toMatchObject({ kind: 'unavailable' });
});

test('requests for small files, under way or waiting for a connection, end when their signal is raised', async () => {
  const { first } = await twoAddresses();
  first.inject({ do: { kind: 'stall' } });
  const downloader = new Downloader({ bases: [first.url], concurrency: 2 }, { backoff });
  onTestFinished(() => downloader.close());
  const stop = new AbortController();
  const asked = [1, 2, 3].map((number) =>
    downloader.bytes({ path: `file-${number}`, size: 10 }, { signal: stop.signal }),
  );
  await expect.poll(() => first.requests).toHaveLength(2);
  stop.abort(new HeadwaterError('aborted', 'not any more'));
  for (const request of asked) await expect(request).rejects.toThrow('not any more');
  const late = downloader.bytes({ path: 'late', size: 10 }, { signal: stop.signal });
  await expect(late).rejects.toThrow('not any more');
  expect(first.requests).toHaveLength(2);
});

test('credentials are for the first address only', async () => {
  const { first, second } = await twoAddresses();
  const credentials = { user: 'u', password: 'secret' };
  const downloader = new Downloader(
    { bases: [first.url, second.url], concurrency: 1, credentials },
    { backoff },
  );
  onTestFinished(() => downloader.close());
  first.inject({ do: { kind: 'answer', status: 503 } });
  await downloader.document('streams/v1/index.json');
  expect(first.requests[0]?.headers['authorization']).toMatch(/^Basic /);
  expect(second.requests.map(({ headers }) => headers['authorization'])).toEqual([undefined]);
});

test('bytes that are wrong at one address are asked for at another', async () => {
  const { first, second } = await twoAddresses();
  first.inject({
    when: ({ path }) => path.includes('rootfs'),
    do: { kind: 'corrupt-answer', at: 1_000_000 },
  });
  const parts = await mirrorServices();
  const mirror = definition(first.url, { fallback: [second.url] });
  expect(await runMirror(mirror, parts, manual)).toMatchObject({ outcome: 'success' });
  expect(second.requests).toHaveLength(1);
});

test('a file that changes while it is fetched is found out when the connection breaks', async () => {
  const { upstream, first } = await twoAddresses();
  const path = 'images/debian/bookworm/amd64/default/20260101_0000/rootfs.squashfs';
  const size = upstream.files.get(path)?.length ?? 0;
  const downloader = new Downloader({ bases: [first.url], concurrency: 1 }, { backoff });
  onTestFinished(() => downloader.close());
  first.inject({ do: { kind: 'cut-answer', after: 1_000_000 }, times: 1 });
  upstream.onRequest = () => upstream.files.set(path, randomBytes(size));
  const reading = async () => {
    for await (const _ of downloader.read({ path, size }));
  };
  await expect(reading()).rejects.toThrow(/changed while it was fetched/);
});

test('files with no SHA-256 are checked by what there is', async () => {
  const upstream = await TestUpstream.start();
  const name = 'debian:bookworm:amd64:default';
  await upstream.offer(name, '20260101_0000');
  const { items = {} } = upstream.products[name]?.versions['20260101_0000'] ?? {};
  for (const [key, algorithm] of [
    ['lxd.tar.xz', 'md5'],
    ['root.squashfs', 'sha512'],
  ] as const) {
    const said = items[key] ?? {};
    const bytes = upstream.files.get(String(said['path'])) ?? Buffer.alloc(0);
    delete said['sha256'];
    said[algorithm] = createHash(algorithm).update(bytes).digest('hex');
  }
  const good = items['root.squashfs']?.['sha512'];
  Object.assign(items['root.squashfs'] ?? {}, { sha512: '0'.repeat(128) });
  upstream.announce();
  const parts = await mirrorServices();
  const wrong = await runMirror(definition(upstream.url), parts, manual);
  expect(wrong.report.failed[0]?.error).toMatch(/its sha512 is [0-9a-f]+, but 0+ was announced/);
  Object.assign(items['root.squashfs'] ?? {}, { sha512: good });
  upstream.announce();
  expect((await runMirror(definition(upstream.url), parts, manual)).outcome).toBe('success');
  expect(await held(parts)).toEqual([`${name}@20260101_0000`]);
});

test('an upstream may ask us to wait, but not for longer than two minutes', () => {
  expect(retryAfter('7')).toBe(7000);
  expect(retryAfter('Wed, 25 Nov 2026 00:00:10 GMT', Date.parse('2026-11-25T00:00:00Z'))).toBe(10_000);
  expect(retryAfter('1000000')).toBe(120_000);
  expect(retryAfter('soon')).toBeUndefined();
});

test('what arrived of a large file before the end of the process is not fetched again', async () => {
  const upstream = await TestUpstream.start();
  const name = 'debian:bookworm:amd64:default';
  await upstream.offer(name, '20260101_0000', { size: 3_000_000 });
  const { items = {} } = upstream.products[name]?.versions['20260101_0000'] ?? {};
  const { path, sha256 } = items['root.squashfs'] ?? {};
  const bytes = upstream.files.get(String(path)) ?? Buffer.alloc(0);
  const dataDir = await scratchDirectory();
  const parts = await mirrorServices(dataDir);
  await mkdir(join(dataDir, 'downloads'));
  await writeFile(join(dataDir, 'downloads', String(sha256)), bytes);
  upstream.files.set(String(path), Buffer.from('gone'));
  const { report, outcome } = await runMirror(definition(upstream.url), parts, manual);
  expect({ outcome, less: report.fetched < 10_000 }).toEqual({ outcome: 'success', less: true });
});
