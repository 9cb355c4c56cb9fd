import { once } from 'node:events';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { onDemandDirectory } from '../../../src/mirror/download/download-directories.ts';
import { OnDemandStore, type OnDemandTimes } from '../../../src/mirror/on-demand/on-demand-store.ts';
import { runMirror } from '../../../src/mirror/run/run.ts';
import { parseDigest } from '../../../src/model/digest.ts';
import { FaultProxy } from '../../support/fault-proxy.ts';
import { TestUpstream } from '../test-upstream.ts';
import { definition, mirrorServices } from '../workspace.ts';

const product = 'debian:bookworm:amd64:default';
const root = 'images/debian/bookworm/amd64/default/20260101_0000/rootfs.squashfs';

afterEach(() => vi.useRealTimers());

/** A store that fetches on demand from an upstream, which knows no ranges, through a proxy that misbehaves. */
async function setUp(options: { size?: number; times?: Partial<OnDemandTimes> } = {}) {
  const upstream = await TestUpstream.start();
  await upstream.offer(product, '20260101_0000', { size: options.size ?? 2_000_000 });
  const proxy = await FaultProxy.start(upstream.url);
  onTestFinished(() => proxy.stop());
  const mirror = definition(proxy.url, { mode: 'on-demand' });
  const parts = await mirrorServices();
  expect((await runMirror(mirror, parts, { cause: 'manual' })).outcome).toBe('success');
  proxy.reset();
  const ends: ('kept' | 'failed' | 'wrong' | 'refused')[] = [];
  const store = new OnDemandStore(
    [mirror],
    parts,
    {
      onFetched: () => ends.push('kept'),
      onFailed: (_, { kind }) => ends.push(kind),
      onEvicted: () => undefined,
      onError: (error) => expect.unreachable(String(error)),
    },
    options.times,
  );
  onTestFinished(() => store.close());
  const bytes = upstream.files.get(root) ?? Buffer.alloc(0);
  const digest = parseDigest(upstream.digestOf(root));
  /** The ranges that the upstream was asked for. */
  const asked = () =>
    proxy.requests.filter(({ path }) => path === `/${root}`).map(({ headers }) => headers.range);
  /** Serves the root with a byte near its end changed. */
  const damage = () => {
    const wrong = Buffer.from(bytes);
    wrong[bytes.length - 10] = (wrong[bytes.length - 10] ?? 0) ^ 1;
    upstream.files.set(root, wrong);
  };
  const mend = () => upstream.files.set(root, bytes);
  return { upstream, proxy, parts, store, digest, bytes, asked, ends, damage, mend };
}

/** Waits for as long as a test may take: how soon something happens is no matter here. */
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  await vi.waitUntil(condition, 20_000);
}

/** Counts what comes of a stream until it ends, one way or the other. */
function watch(stream: Readable) {
  const seen = { bytes: 0, error: undefined as Error | undefined };
  stream.on('data', (chunk: Buffer) => {
    seen.bytes += chunk.length;
  });
  stream.on('error', (error) => {
    seen.error = error;
  });
  return Object.assign(seen, { closed: new Promise((resolve) => stream.once('close', resolve)) });
}

describe('before the whole is known to be right', () => {
  test('a range that ends before the last byte waits, and gets nothing of wrong bytes', async () => {
    const { proxy, store, digest, bytes, damage } = await setUp();
    damage();
    proxy.inject({ do: { kind: 'hold-answer', after: 1_500_000 } });
    const whole = watch(await store.read(digest));
    const ranges = await Promise.all(
      [
        { start: 0, end: 99 },
        { start: 0, end: bytes.length - 2 },
      ].map(async (range) => watch(await store.read(digest, range))),
    );
    await until(() => whole.bytes > 1_000_000);
    expect(ranges.map((range) => range.bytes)).toEqual([0, 0]);
    proxy.release();
    await Promise.all([whole, ...ranges].map(({ closed }) => closed));
    expect(ranges).toMatchObject([
      { bytes: 0, error: { kind: 'invalid' } },
      { bytes: 0, error: { kind: 'invalid' } },
    ]);
    expect(whole.error).toBeDefined();
    expect(whole.bytes).toBeLessThan(bytes.length);
  });

  test('a range is answered as soon as it is, and one up to the end without its last byte before', async () => {
    const { proxy, store, digest, bytes } = await setUp();
    proxy.inject({ do: { kind: 'hold-answer', after: bytes.length - 1 } });
    const end = watch(await store.read(digest, { start: 1000, end: bytes.length - 1 }));
    const middle = await store.read(digest, { start: 1000, end: 1999 });
    await until(() => end.bytes > 1_000_000);
    proxy.release();
    expect((await buffer(middle)).equals(bytes.subarray(1000, 2000))).toBe(true);
    await end.closed;
    expect(end).toMatchObject({ bytes: bytes.length - 1000, error: undefined });
  });
});

describe('wrong bytes', () => {
  test('are asked for again only after a pause, and then they are', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const { store, digest, bytes, asked, ends, damage, mend } = await setUp({
      times: { wrongBytes: 60_000 },
    });
    damage();
    await expect(store.read(digest).then(buffer)).rejects.toMatchObject({ kind: 'invalid' });
    mend();
    await until(() => ends.length > 0);
    vi.advanceTimersByTime(59_000);
    await expect(store.read(digest)).rejects.toMatchObject({
      kind: 'unavailable',
      message: expect.stringMatching(
        /sent wrong bytes, and is not asked again for some minutes: .*rootfs\.squashfs/,
      ),
    });
    expect(asked()).toHaveLength(1);
    vi.advanceTimersByTime(2000);
    expect((await buffer(await store.read(digest))).equals(bytes)).toBe(true);
    await until(() => ends.length > 1);
    expect({ asked: asked().length, ends }).toEqual({ asked: 2, ends: ['wrong', 'kept'] });
  });

  test('that an earlier fetch left are thrown away, and the next one begins anew at once', async () => {
    const { parts, store, digest, bytes, asked, ends } = await setUp();
    const directory = onDemandDirectory(parts.dataDir);
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, digest), Buffer.alloc(1_000_000));
    await expect(store.read(digest).then(buffer)).rejects.toMatchObject({ kind: 'invalid' });
    await until(() => ends.length > 0);
    expect(await readdir(directory)).toEqual([]);
    expect((await buffer(await store.read(digest))).equals(bytes)).toBe(true);
    expect(asked()).toEqual(['bytes=1000000-', undefined]);
  });
});

describe('an upstream that', () => {
  test.each([429, 500, 503])('answers %d is asked again', async (status) => {
    const { proxy, store, digest, bytes, asked } = await setUp({ size: 100_000 });
    proxy.inject({ do: { kind: 'answer', status, headers: { 'retry-after': '0' } }, times: 1 });
    expect((await buffer(await store.read(digest))).equals(bytes)).toBe(true);
    expect(asked()).toHaveLength(2);
  });

  test('answers 500 when the first bytes are due is told of, and asked on', async () => {
    const { proxy, store, digest, ends } = await setUp({ size: 100_000, times: { firstByte: 50 } });
    proxy.inject({ do: { kind: 'answer', status: 500 }, times: 1 });
    await expect(store.read(digest)).rejects.toMatchObject({
      kind: 'unavailable',
      message: expect.stringMatching(/rootfs\.squashfs: the upstream answered 500/),
    });
    await until(() => ends.length > 0);
    expect(ends).toEqual(['kept']);
  });

  test('ignores Range is read from the beginning, and every byte goes out once', async () => {
    const { proxy, store, digest, bytes, asked } = await setUp();
    proxy.inject({ do: { kind: 'cut-answer', after: 1_200_000 }, times: 1 });
    expect((await buffer(await store.read(digest))).equals(bytes)).toBe(true);
    expect(asked()).toEqual([undefined, expect.stringMatching(/^bytes=\d{6,}-$/)]);
  });

  test('sends less than it announced is asked for the rest', async () => {
    const { upstream, store, digest, bytes, asked } = await setUp();
    upstream.limit = 700_000;
    upstream.onRequest = () => {
      if (asked().length > 1) upstream.limit = undefined;
    };
    expect((await buffer(await store.read(digest))).equals(bytes)).toBe(true);
    expect(asked()).toEqual([undefined, 'bytes=700000-']);
  });

  test('sends more than the document says is given up', async () => {
    const { upstream, parts, store, digest, bytes, asked, ends } = await setUp();
    upstream.files.set(root, Buffer.concat([bytes, Buffer.alloc(1000)]));
    await expect(store.read(digest).then(buffer)).rejects.toMatchObject({ kind: 'invalid' });
    await until(() => ends.length > 0);
    expect(await parts.store.stat(digest)).toBeUndefined();
    expect(await readdir(onDemandDirectory(parts.dataDir))).toEqual([]);
    await expect(store.read(digest)).rejects.toThrow(/is not asked again for some minutes/);
    expect({ asked: asked().length, ends }).toEqual({ asked: 1, ends: ['wrong'] });
  });
});

test('a slow reader keeps the fast ones from nothing, and gets the same bytes', async () => {
  const { store, digest, bytes, parts, ends } = await setUp({ size: 6_000_000 });
  const slow = await store.read(digest);
  const [first] = (await once(
    slow.on('data', () => slow.pause()),
    'data',
  )) as [Buffer];
  slow.removeAllListeners('data');
  const fast = await Promise.all([1, 2, 3].map(async () => await buffer(await store.read(digest))));
  expect(fast.every((came) => came.equals(bytes))).toBe(true);
  // Its metadata was fetched, too.
  await until(() => ends.length > 1);
  expect(await readdir(onDemandDirectory(parts.dataDir))).toEqual([]);
  // What it reads has left its place by now.
  expect(Buffer.concat([first, await buffer(slow)]).equals(bytes)).toBe(true);
});

test('links to the store are given for what is held, and for nothing else', async () => {
  const { parts, digest, ends, bytes } = await setUp({ size: 100_000 });
  parts.store.presign = async (wanted) => `https://bucket/${wanted}`;
  const mirror = definition('http://127.0.0.1:1', { mode: 'on-demand' });
  const store = new OnDemandStore([mirror], parts, {
    onFetched: () => ends.push('kept'),
    onFailed: () => ends.push('failed'),
    onEvicted: () => undefined,
    onError: (error) => expect.unreachable(String(error)),
  });
  onTestFinished(() => store.close());
  const link = async () => await store.presign?.(digest, { expiresInSeconds: 60, method: 'GET' });
  expect(await link()).toBeUndefined();
  await parts.destination.store({ from: 'stream', name: 'root', bytes: [bytes] as never });
  expect(await link()).toBe(`https://bucket/${digest}`);
  const foreign = parseDigest('ab'.repeat(32));
  // What no mirror on demand lists is the store's own business.
  expect(await store.presign?.(foreign, { expiresInSeconds: 60, method: 'GET' })).toMatch(foreign);
});

test('it is noted that somebody asked, once in a while', async () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  const { parts, store, digest, ends } = await setUp({ size: 100_000, times: { noteAsked: 60_000 } });
  await buffer(await store.read(digest));
  await until(() => ends.length > 0);
  const { sources } = parts.catalog;
  const noted = vi.spyOn(sources, 'noteAsked');
  const askedAt = async () =>
    (await sources.held('test', 'mirror:test')).find((blob) => blob.digest === digest)?.askedAt.getTime() ??
    0;
  await buffer(await store.read(digest));
  expect(noted).not.toHaveBeenCalled();
  const before = await askedAt();
  vi.advanceTimersByTime(61_000);
  await buffer(await store.read(digest));
  await until(async () => (await askedAt()) > before);
  await buffer(await store.read(digest));
  expect(noted).toHaveBeenCalledTimes(1);
});
