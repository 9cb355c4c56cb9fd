import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { S3Options } from '../../../src/blobs/s3/s3-options.ts';
import { S3Store } from '../../../src/blobs/s3/s3-store.ts';
import { FaultProxy, type SeenRequest } from '../../support/fault-proxy.ts';
import { describeWithCeph } from '../../support/shared-ceph.ts';
import { get, inChunks, listed, put, sample } from '../bytes.ts';
import { leftoversOf, s3Options } from './s3-fixture.ts';

const mebibyte = 1024 * 1024;
const partSize = 5 * mebibyte;
/** As little as there are parts of, for what does not depend on how many there are. */
const twoParts = partSize + 123_457;
/** More than the connections on the way hold. */
const severalParts = 3 * partSize + 123_457;

const isPart = ({ method, path }: SeenRequest) => method === 'PUT' && path.includes('partNumber=');
const isRead = ({ method, path }: SeenRequest) => method === 'GET' && path.includes('/blobs/sha256/');
const isCopy = ({ method, headers }: SeenRequest) => method === 'PUT' && 'x-amz-copy-source' in headers;
const isCompletion = ({ method, path }: SeenRequest) => method === 'POST' && /[?]uploadId=/.test(path);

describeWithCeph('S3 store behind a bad network', (service) => {
  let proxy: FaultProxy;
  let options: S3Options;
  let store: S3Store;

  beforeEach(async () => {
    proxy = await FaultProxy.start(service().endpoint);
    options = s3Options(service(), {
      endpoint: proxy.url,
      retry: { attempts: 3, firstDelay: 5, longestDelay: 20 },
    });
    store = new S3Store(options);
    await store.open();
    proxy.reset();
  });

  /** The same store, which does not wait long for a service that has fallen silent. */
  function impatient(): S3Store {
    const other = new S3Store({ ...options, idleTimeout: 2000 });
    onTestFinished(() => other.close());
    return other;
  }

  afterEach(async () => {
    await store.close();
    await proxy.stop();
  });

  async function expectNoTrace(): Promise<void> {
    proxy.reset();
    expect(await listed(store)).toEqual([]);
    expect(await leftoversOf(service(), options)).toEqual([]);
  }

  describe('reading', () => {
    test('goes on where the connection broke', async () => {
      const blob = sample(twoParts);
      await put(store, blob);
      proxy.inject({ do: { kind: 'cut-answer', after: mebibyte }, when: isRead, times: 3 });
      expect((await get(store, blob.digest)).equals(blob.bytes)).toBe(true);
      const ranges = proxy.requests.filter(isRead).map(({ headers }) => headers.range);
      expect(ranges).toHaveLength(4);
      expect(ranges[0]).toBeUndefined();
      for (const range of ranges.slice(1)) expect(range).toMatch(/^bytes=[1-9]\d+-5366336$/);
    });

    test('of a range goes on within the range', async () => {
      const blob = sample(twoParts);
      await put(store, blob);
      proxy.inject({ do: { kind: 'cut-answer', after: mebibyte }, when: isRead, times: 2 });
      const read = await get(store, blob.digest, { start: 1000, end: 4 * mebibyte });
      expect(read.equals(blob.bytes.subarray(1000, 4 * mebibyte + 1))).toBe(true);
    });

    test('goes on after a stall', async () => {
      const blob = sample(twoParts);
      await put(store, blob);
      proxy.inject({ do: { kind: 'hold-answer', after: 2 * mebibyte }, when: isRead, times: 1 });
      expect((await get(impatient(), blob.digest)).equals(blob.bytes)).toBe(true);
      expect(proxy.requests.filter(isRead)).toHaveLength(2);
    });

    test('waits for a slow reader without another request', async () => {
      const blob = sample(severalParts);
      await put(store, blob);
      const chunks: Uint8Array[] = [];
      let paused = false;
      for await (const chunk of await impatient().read(blob.digest)) {
        chunks.push(chunk as Uint8Array);
        if (paused) continue;
        paused = true;
        // Longer than a connection may be idle.
        await new Promise((resolve) => setTimeout(resolve, 4000));
      }
      expect(Buffer.concat(chunks).equals(blob.bytes)).toBe(true);
      expect(proxy.requests.filter(isRead)).toHaveLength(1);
    });

    test('fails, and never just ends, when the service stays away', async () => {
      const blob = sample(severalParts);
      await put(store, blob);
      const stream = await store.read(blob.digest);
      const received = (async () => {
        let count = 0;
        for await (const chunk of stream) {
          if (count === 0) await proxy.refuse();
          count += (chunk as Uint8Array).length;
        }
        return count;
      })();
      await expect(received).rejects.toMatchObject({ kind: 'unavailable' });
    });

    test('fails when connections always break before a byte comes', async () => {
      const blob = sample(twoParts);
      await put(store, blob);
      proxy.inject({ do: { kind: 'cut-answer', after: mebibyte }, when: isRead, times: 1 });
      proxy.inject({ do: { kind: 'cut-answer', after: 0 }, when: isRead });
      await expect(get(store, blob.digest)).rejects.toMatchObject({ kind: 'unavailable' });
    });
  });

  describe('requests', () => {
    const slowDown = {
      status: 503,
      body: '<Error><Code>SlowDown</Code><Message>Slow down</Message></Error>',
    };

    test.each([
      ['503 SlowDown', { kind: 'answer', ...slowDown }],
      ['429', { kind: 'answer', status: 429 }],
      ['500', { kind: 'answer', status: 500 }],
      ['a lost answer', { kind: 'lose-answer' }],
    ] as const)('are repeated after %s', async (_, fault) => {
      const blob = sample(twoParts);
      proxy.inject({ do: fault, when: isPart, times: 2 });
      proxy.inject({ do: fault, when: isCompletion, times: 1 });
      proxy.inject({ do: fault, when: isCopy, times: 1 });
      proxy.inject({ do: fault, when: isRead, times: 1 });
      await put(store, blob);
      expect((await get(store, blob.digest)).equals(blob.bytes)).toBe(true);
      expect(await leftoversOf(service(), options)).toEqual([]);
    });

    test('are repeated after a stall', async () => {
      const blob = sample(twoParts);
      proxy.inject({ do: { kind: 'stall' }, when: isPart, times: 1 });
      await put(impatient(), blob);
      expect((await get(store, blob.digest)).equals(blob.bytes)).toBe(true);
    });

    test('are repeated when their bytes were damaged on the way', async () => {
      for (const size of [1000, twoParts]) {
        const blob = sample(size);
        proxy.inject({
          do: { kind: 'corrupt-request', at: 500 },
          when: ({ method, headers }) => method === 'PUT' && headers['content-length'] !== '0',
          times: 1,
        });
        await put(store, blob);
        expect((await get(store, blob.digest)).equals(blob.bytes)).toBe(true);
      }
    });

    test('that succeeded without an answer are not taken for failures', async () => {
      const blob = sample(twoParts);
      const body = '<Error><Code>NoSuchUpload</Code></Error>';
      proxy.inject({ do: { kind: 'lose-answer' }, when: isCompletion, times: 1 });
      proxy.inject({ do: { kind: 'answer', status: 404, body }, when: isCompletion, times: 1 });
      await put(store, blob);
      expect((await get(store, blob.digest)).equals(blob.bytes)).toBe(true);
    });

    test('name the parts in their order, whatever the order in which they arrived', async () => {
      proxy.inject({
        do: { kind: 'answer', ...slowDown },
        when: ({ path }) => path.includes('partNumber=1&'),
        times: 2,
      });
      await put(store, sample(severalParts));
      const body = proxy.requests.find(isCompletion)?.body ?? '';
      expect([...body.matchAll(/<PartNumber>(\d+)/g)].map(([, part]) => part)).toEqual(['1', '2', '3', '4']);
    });

    test('are not repeated when that cannot help', async () => {
      proxy.inject({ do: { kind: 'answer', status: 403 } });
      await expect(store.stat(sample(1).digest)).rejects.toMatchObject({ kind: 'unavailable' });
      expect(proxy.requests).toHaveLength(1);
    });

    test('end with a clear error when the service stays overloaded', async () => {
      proxy.inject({ do: { kind: 'answer', ...slowDown } });
      await expect(store.stat(sample(1).digest)).rejects.toMatchObject({
        kind: 'unavailable',
        message: expect.stringMatching(/try again later.*503/),
      });
      expect(proxy.requests).toHaveLength(3);
    });
  });

  test('a blob that is too large for one copy is copied in pieces', async () => {
    const other = new S3Store({ ...options, copyLimit: 6 * mebibyte });
    onTestFinished(() => other.close());
    const blob = sample(severalParts);
    await put(other, blob);
    const ranges = proxy.requests.filter(isCopy).map(({ headers }) => headers['x-amz-copy-source-range']);
    expect(ranges).toEqual(['bytes=0-6291455', 'bytes=6291456-12582911', 'bytes=12582912-15852096']);
    expect((await get(other, blob.digest)).equals(blob.bytes)).toBe(true);
    expect(await leftoversOf(service(), options)).toEqual([]);
  });

  describe('writing leaves nothing', () => {
    test('when connections break half way', async () => {
      proxy.inject({ do: { kind: 'cut-request', after: mebibyte }, when: isPart, skip: 1 });
      await expect(put(store, sample(severalParts))).rejects.toMatchObject({ kind: 'unavailable' });
      await expectNoTrace();
    });

    test('when the service cannot make a blob of the parts', async () => {
      // S3 sends such a failure inside of a success.
      const body =
        '<Error><Code>InternalError</Code><Message>We encountered an internal error</Message></Error>';
      proxy.inject({ do: { kind: 'answer', status: 200, body }, when: isCompletion });
      await expect(put(store, sample(twoParts))).rejects.toMatchObject({ kind: 'unavailable' });
      await expectNoTrace();
    });

    test('when the copy to its place fails', async () => {
      proxy.inject({ do: { kind: 'answer', status: 500 }, when: isCopy });
      await expect(put(store, sample(twoParts))).rejects.toMatchObject({ kind: 'unavailable' });
      await expectNoTrace();
    });

    test.each([1000, twoParts])('when the quota is used up: %i bytes', async (size) => {
      const body = '<Error><Code>QuotaExceeded</Code></Error>';
      proxy.inject({ do: { kind: 'answer', status: 403, body }, when: ({ method }) => method === 'PUT' });
      await expect(put(store, sample(size))).rejects.toMatchObject({ kind: 'no-space' });
      await expectNoTrace();
    });
  });

  describe('a service that is down', () => {
    test('makes every call fail as unavailable, and works again when it is back', async () => {
      const blob = sample(1000);
      await put(store, blob);
      await proxy.refuse();
      const unavailable = { kind: 'unavailable', message: expect.stringContaining('connection refused') };
      await expect(store.open()).rejects.toMatchObject(unavailable);
      await expect(store.check()).rejects.toMatchObject(unavailable);
      await expect(store.stat(blob.digest)).rejects.toMatchObject(unavailable);
      await expect(store.read(blob.digest)).rejects.toMatchObject(unavailable);
      await expect(store.remove(blob.digest)).rejects.toMatchObject(unavailable);
      await expect(put(store, sample(1000))).rejects.toMatchObject(unavailable);
      await expect(listed(store)).rejects.toMatchObject(unavailable);
      await proxy.accept();
      await store.check();
      expect((await get(store, blob.digest)).equals(blob.bytes)).toBe(true);
    });

    test('closes the source of a write', async () => {
      let closed = false;
      const source = async function* () {
        try {
          yield* inChunks(sample(severalParts).bytes);
        } finally {
          closed = true;
        }
      };
      await proxy.refuse();
      const { digest } = sample(1);
      await expect(store.write(source(), { digest })).rejects.toMatchObject({ kind: 'unavailable' });
      await expect.poll(() => closed).toBe(true);
    });

    test('or never answers', async () => {
      proxy.inject({ do: { kind: 'stall' } });
      await expect(impatient().stat(sample(1).digest)).rejects.toMatchObject({
        kind: 'unavailable',
        message: expect.stringContaining('nothing came for 2000 ms'),
      });
    });
  });
});
