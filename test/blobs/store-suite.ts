import { readdir, readlink, writeFile } from 'node:fs/promises';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { BlobStore } from '../../src/blobs/blob-store.ts';
import { HeadwaterError } from '../../src/errors.ts';
import type { Digest } from '../../src/model/digest.ts';
import { get, inChunks, listed, put, type Sample, sample, sampleOf } from './bytes.ts';

/** A store to test, empty and not open yet. */
export interface StoreUnderTest {
  store: BlobStore;
  /** Another object for the same place, open. */
  again(): Promise<BlobStore>;
  /** Names of all that lies in the store's place beside whole blobs: staged files, uploads under way. */
  leftovers(): Promise<string[]>;
  dispose(): Promise<void>;
}

const mebibyte = 1024 * 1024;
/** More than three of the smallest parts of S3, and no multiple of anything. */
const severalParts = 3 * 5 * mebibyte + 123_457;

/** What the files and sockets are that this process has open. */
async function openFiles(): Promise<Set<string>> {
  const links = (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => ''));
  return new Set(await Promise.all(links));
}

/** Those that have been opened since and are still open. */
async function opened(before: Set<string>): Promise<string[]> {
  return [...(await openFiles())].filter((name) => !before.has(name) && !name.startsWith('/proc/'));
}

/** What every store promises (`src/blobs/blob-store.ts`). */
export function describeStore(name: string, makeStore: () => Promise<StoreUnderTest>): void {
  describe(name, () => {
    let made: StoreUnderTest;
    let store: BlobStore;

    beforeEach(async () => {
      made = await makeStore();
      store = made.store;
      await store.open();
    });

    afterEach(async () => {
      await store.close();
      await made.dispose();
    });

    async function expectNothing(...digests: Digest[]): Promise<void> {
      for (const digest of digests) expect(await store.stat(digest)).toBeUndefined();
      expect(await listed(store)).toEqual([]);
      expect(await made.leftovers()).toEqual([]);
    }

    describe('write and read', () => {
      test.each([1, 1000, 5 * mebibyte - 1, 5 * mebibyte, 5 * mebibyte + 1, severalParts])(
        'gives back what it was given: %i bytes',
        async (size) => {
          const blob = sample(size);
          const before = Date.now();
          await put(store, blob);
          const stat = await store.stat(blob.digest);
          expect(stat).toMatchObject({ digest: blob.digest, size });
          // Some stores count in seconds.
          expect(stat?.modified.getTime()).toBeGreaterThan(before - 2000);
          expect((await get(store, blob.digest)).equals(blob.bytes)).toBe(true);
          expect(await made.leftovers()).toEqual([]);
        },
      );

      test('keeps an empty blob', async () => {
        const blob = sample(0);
        await put(store, blob);
        expect(await store.stat(blob.digest)).toMatchObject({ size: 0 });
        expect(await get(store, blob.digest)).toHaveLength(0);
        await expect(store.read(blob.digest, { start: 0, end: 0 })).rejects.toMatchObject({
          kind: 'invalid',
        });
      });

      test.each([1000, severalParts])('takes a digest that is known beforehand: %i bytes', async (size) => {
        const blob = sample(size);
        await store.write(inChunks(blob.bytes), { digest: blob.digest });
        expect((await get(store, blob.digest)).equals(blob.bytes)).toBe(true);
        expect(await made.leftovers()).toEqual([]);
      });

      test('takes chunks of any size', async () => {
        const chunk = fc.uint8Array({ maxLength: 3000 });
        await fc.assert(
          fc.asyncProperty(fc.array(chunk, { maxLength: 20 }), async (chunks) => {
            const { bytes, digest } = sampleOf(Buffer.concat(chunks));
            const source = async function* () {
              yield* chunks;
            };
            await store.write(source(), { digest: Promise.resolve(digest) });
            expect((await get(store, digest)).equals(bytes)).toBe(true);
          }),
          { numRuns: 20 },
        );
      });

      test('takes chunks that are larger than a part', async () => {
        const blob = sample(severalParts);
        await store.write(inChunks(blob.bytes, 11 * mebibyte), { digest: Promise.resolve(blob.digest) });
        expect((await get(store, blob.digest)).equals(blob.bytes)).toBe(true);
      });
    });

    describe('ranges', () => {
      const size = severalParts;
      let blob: Sample;

      beforeEach(async () => {
        blob = sample(size);
        await put(store, blob);
      });

      test('of the first byte, the last byte and everything', async () => {
        for (const [start, end] of [
          [0, 0],
          [size - 1, size - 1],
          [0, size - 1],
          [5 * mebibyte - 1, 5 * mebibyte],
        ] as const) {
          const read = await get(store, blob.digest, { start, end });
          expect(read.equals(blob.bytes.subarray(start, end + 1))).toBe(true);
        }
      });

      test('an end beyond the last byte means the last byte; a start beyond it is refused', async () => {
        const read = await get(store, blob.digest, { start: size - 10, end: size + 10 });
        expect(read.equals(blob.bytes.subarray(size - 10))).toBe(true);
        const beyond = store.read(blob.digest, { start: size, end: size + 10 });
        await expect(beyond).rejects.toMatchObject({ kind: 'invalid' });
      });

      test('of a blob with another size than is known of it: it is damaged', async () => {
        const known = async (start: number, of: number) =>
          await get(store, blob.digest, { start, end: start + 9, of });
        expect((await known(0, size)).equals(blob.bytes.subarray(0, 10))).toBe(true);
        for (const [start, of] of [
          [0, size + 1],
          [0, size - 1],
          [size, size + 10],
        ] as const) {
          const read = known(start, of);
          await expect(read).rejects.toMatchObject({ name: 'DamagedBlobError', kind: 'unavailable' });
        }
      });

      test('anywhere', async () => {
        const offset = fc.nat({ max: size - 1 });
        await fc.assert(
          fc.asyncProperty(offset, offset, async (one, other) => {
            const [start, end] = [Math.min(one, other), Math.max(one, other)];
            const read = await get(store, blob.digest, { start, end });
            expect(read.equals(blob.bytes.subarray(start, end + 1))).toBe(true);
          }),
          { numRuns: 15 },
        );
      });
    });

    describe('what is not whole is never seen', () => {
      test.each([1000, severalParts])('when the digest is refused after %i bytes', async (size) => {
        const blob = sample(size);
        let refuse: (error: Error) => void = () => undefined;
        const digest = new Promise<Digest>((_, reject) => {
          refuse = reject;
        });
        const refusal = new HeadwaterError('invalid', 'not the file that was announced');
        const source = async function* () {
          yield* inChunks(blob.bytes);
          // What looks at the bytes may come to its end later than the store.
          setTimeout(() => refuse(refusal), 100);
        };
        await expect(store.write(source(), { digest, size })).rejects.toBe(refusal);
        await expectNothing(blob.digest);
      });

      test.each([1000, severalParts])('when the source fails after %i bytes', async (size) => {
        const blob = sample(size);
        const failure = new Error('the sender hung up');
        const source = async function* () {
          yield* inChunks(blob.bytes);
          throw failure;
        };
        const never = new Promise<Digest>(() => undefined);
        await expect(store.write(source(), { digest: never, size })).rejects.toBe(failure);
        await expect(store.write(source(), { digest: blob.digest })).rejects.toBe(failure);
        await expectNothing(blob.digest);
      });

      test.each([1000, severalParts])('when %i bytes come and others were announced', async (size) => {
        const blob = sample(size);
        for (const announced of [size - 1, size + 1, 0]) {
          const write = store.write(inChunks(blob.bytes), {
            digest: Promise.resolve(blob.digest),
            size: announced,
          });
          await expect(write).rejects.toMatchObject({ kind: 'invalid' });
        }
        await expectNothing(blob.digest);
      });

      test('while the bytes still come', async () => {
        const blob = sample(severalParts);
        const seen: unknown[] = [];
        const source = async function* () {
          for await (const chunk of inChunks(blob.bytes, 2 * mebibyte)) {
            seen.push(await store.stat(blob.digest), ...(await listed(store)));
            seen.push(await store.read(blob.digest).catch((error: HeadwaterError) => error.kind));
            yield chunk;
          }
        };
        for (const digest of [Promise.resolve(blob.digest), blob.digest]) {
          seen.length = 0;
          await store.write(source(), { digest });
          expect(new Set(seen)).toEqual(new Set([undefined, 'not-found']));
          expect((await get(store, blob.digest)).equals(blob.bytes)).toBe(true);
          await store.remove(blob.digest);
        }
      });
    });

    describe('a blob that is there already', () => {
      test.each([1000, severalParts])('is written again without harm: %i bytes', async (size) => {
        const blob = sample(size);
        await put(store, blob);
        await put(store, blob);
        expect((await get(store, blob.digest)).equals(blob.bytes)).toBe(true);
        expect(await listed(store)).toHaveLength(1);
        expect(await made.leftovers()).toEqual([]);
      });

      test.each([1000, severalParts])('by several writers at once: %i bytes', async (size) => {
        const blob = sample(size);
        await Promise.all([1, 2, 3, 4].map(() => put(store, blob)));
        expect((await get(store, blob.digest)).equals(blob.bytes)).toBe(true);
        expect(await listed(store)).toHaveLength(1);
        expect(await made.leftovers()).toEqual([]);
      });

      test('is not read to the end when its digest is known, and its source is closed', async () => {
        const blob = sample(severalParts);
        await put(store, blob);
        let read = 0;
        let closed = false;
        const source = async function* () {
          try {
            for await (const chunk of inChunks(blob.bytes)) {
              read += chunk.length;
              yield chunk;
            }
          } finally {
            closed = true;
          }
        };
        await store.write(source(), { digest: blob.digest, size: blob.bytes.length });
        await vi.waitFor(() => expect(closed).toBe(true));
        expect(read).toBeLessThan(blob.bytes.length);
      });

      test.each([1000, severalParts])(
        'replaces what is damaged by bytes that were read: %i bytes',
        async (size) => {
          const [right, wrong] = [sample(size), sample(size)];
          const damage = async () =>
            await store.write(inChunks(wrong.bytes), { digest: Promise.resolve(right.digest), size });
          await damage();
          expect((await get(store, right.digest)).equals(wrong.bytes)).toBe(true);
          await store.write(inChunks(right.bytes), { digest: Promise.resolve(right.digest), size });
          expect((await get(store, right.digest)).equals(right.bytes)).toBe(true);
          await damage();
          await store.write(inChunks(right.bytes), { digest: right.digest, size, verified: true });
          expect((await get(store, right.digest)).equals(right.bytes)).toBe(true);
          expect(await listed(store)).toHaveLength(1);
          expect(await made.leftovers()).toEqual([]);
        },
      );

      test('can be read while it is written again', async () => {
        const blob = sample(severalParts);
        await put(store, blob);
        const [read] = await Promise.all([get(store, blob.digest), put(store, blob)]);
        expect(read.equals(blob.bytes)).toBe(true);
      });
    });

    describe('list, remove and missing blobs', () => {
      test('lists every blob with its size', async () => {
        const blobs = [sample(0), sample(1), sample(70_000), sample(severalParts)];
        for (const blob of blobs) await put(store, blob);
        const sizes = new Map((await listed(store)).map(({ digest, size }) => [digest, size]));
        expect(sizes).toEqual(new Map(blobs.map(({ digest, bytes }) => [digest, bytes.length])));
      });

      test('removes a blob, and once more', async () => {
        const [gone, kept] = [sample(1000), sample(1000)];
        await put(store, gone);
        await put(store, kept);
        await store.remove(gone.digest);
        await store.remove(gone.digest);
        expect(await store.stat(gone.digest)).toBeUndefined();
        expect((await listed(store)).map(({ digest }) => digest)).toEqual([kept.digest]);
      });

      test('says that a blob is missing before any byte', async () => {
        const { digest } = sample(10);
        expect(await store.stat(digest)).toBeUndefined();
        await expect(store.read(digest)).rejects.toMatchObject({ kind: 'not-found' });
        await expect(store.read(digest, { start: 0, end: 4 })).rejects.toMatchObject({ kind: 'not-found' });
      });
    });

    describe('set aside', () => {
      const asideOf = async () => {
        const found = [];
        for await (const blob of store.aside()) found.push(blob);
        return found;
      };

      test.each([0, 1000, severalParts])(
        'a blob is not found, and comes back whole: %i bytes',
        async (size) => {
          const [blob, other] = [sample(size), sample(10)];
          await put(store, blob);
          await put(store, other);
          const before = Date.now();
          await store.setAside(blob.digest, 'unknown');
          expect(await store.stat(blob.digest)).toBeUndefined();
          await expect(store.read(blob.digest)).rejects.toMatchObject({ kind: 'not-found' });
          expect((await listed(store)).map(({ digest }) => digest)).toEqual([other.digest]);
          const [aside, ...rest] = await asideOf();
          expect(rest).toEqual([]);
          expect(aside).toMatchObject({ digest: blob.digest, size, reason: 'unknown' });
          // Some stores count in seconds.
          expect(aside?.modified.getTime()).toBeGreaterThan(before - 2000);
          expect(await store.bringBack(blob.digest)).toBe(true);
          expect((await get(store, blob.digest)).equals(blob.bytes)).toBe(true);
          expect(await asideOf()).toEqual([]);
          expect(await made.leftovers()).toEqual([]);
        },
      );

      test('a blob that does not exist is no failure', async () => {
        const { digest } = sample(10);
        await store.setAside(digest, 'removed');
        await store.removeAside({ digest, reason: 'removed' });
        expect(await store.bringBack(digest)).toBe(false);
        expect(await asideOf()).toEqual([]);
      });

      test('a blob that is written again is there, whatever becomes of the other copy', async () => {
        const blob = sample(1000);
        await put(store, blob);
        await store.setAside(blob.digest, 'removed');
        await put(store, blob);
        expect((await get(store, blob.digest)).equals(blob.bytes)).toBe(true);
        await store.removeAside({ digest: blob.digest, reason: 'removed' });
        expect(await asideOf()).toEqual([]);
        expect((await get(store, blob.digest)).equals(blob.bytes)).toBe(true);
      });

      test('a damaged blob does not come back', async () => {
        const blob = sample(1000);
        await put(store, blob);
        await store.setAside(blob.digest, 'damaged');
        expect(await store.bringBack(blob.digest)).toBe(false);
        expect(await store.stat(blob.digest)).toBeUndefined();
        expect(await asideOf()).toMatchObject([{ digest: blob.digest, reason: 'damaged' }]);
        await put(store, blob);
        expect((await get(store, blob.digest)).equals(blob.bytes)).toBe(true);
        await store.removeAside({ digest: blob.digest, reason: 'damaged' });
        expect(await asideOf()).toEqual([]);
      });

      test('each reason has its own blobs', async () => {
        const blobs = [sample(1), sample(2)] as const;
        for (const blob of blobs) await put(store, blob);
        await store.setAside(blobs[0].digest, 'removed');
        await store.setAside(blobs[1].digest, 'unknown');
        const reasons = new Map((await asideOf()).map(({ digest, reason }) => [digest, reason]));
        expect(reasons).toEqual(
          new Map([
            [blobs[0].digest, 'removed'],
            [blobs[1].digest, 'unknown'],
          ]),
        );
        await store.removeAside({ digest: blobs[0].digest, reason: 'removed' });
        expect(await store.bringBack(blobs[0].digest)).toBe(false);
        expect(await store.bringBack(blobs[1].digest)).toBe(true);
      });
    });

    test.each([1000, severalParts])('takes back only what was not there before: %i bytes', async (size) => {
      const [old, fresh] = [sample(size), sample(size)];
      const second = await made.again();
      await put(store, old);
      for (const blob of [old, fresh]) await put(second, blob);
      for (const blob of [old, fresh]) await second.withdraw(blob.digest);
      await second.withdraw(fresh.digest);
      expect((await listed(store)).map(({ digest }) => digest)).toEqual([old.digest]);
      // Once it is taken back it is anybody's who writes it.
      await put(store, fresh);
      await second.withdraw(fresh.digest);
      expect((await get(store, fresh.digest)).equals(fresh.bytes)).toBe(true);
      await second.close();
    });

    test('keeps its records, which are no blobs', async () => {
      expect(await store.readRecord('owner')).toBeUndefined();
      expect(await store.readRecord('lease')).toBeUndefined();
      await store.writeRecord('owner', '{"catalog":"one"}');
      await store.writeRecord('owner', '{"catalog":"two — ü"}');
      await store.writeRecord('lease', 'lease');
      const second = await made.again();
      expect(await second.readRecord('owner')).toBe('{"catalog":"two — ü"}');
      expect(await second.readRecord('lease')).toBe('lease');
      await second.close();
      expect(await listed(store)).toEqual([]);
    });

    test('takes over what somebody else wrote where it said, where it says so', async () => {
      const blobs = Array.from({ length: 12 }, (_, index) => sample(1000 + index));
      const staged = await store.stage?.(blobs.length);
      const files = blobs.flatMap(({ bytes, digest }, index) => {
        const path = staged?.paths[index];
        return path === undefined ? [] : [{ path, bytes, digest }];
      });
      for (const { path, bytes } of files) await writeFile(path, bytes);
      await staged?.keep(files.slice(1));
      await staged?.discard();
      const kept = files.slice(1).map(({ digest }) => digest);
      if (staged !== undefined) expect(kept).toHaveLength(blobs.length - 1);
      expect((await listed(store)).map(({ digest }) => digest).sort()).toEqual(kept.sort());
      for (const { bytes, digest } of blobs.slice(1, kept.length + 1)) {
        expect((await get(store, digest)).equals(bytes)).toBe(true);
      }
      expect(await made.leftovers()).toEqual([]);
    });

    test('is ready', async () => {
      await store.check();
      expect(await made.leftovers()).toEqual([]);
    });

    test('frees what a reader holds who leaves early', async () => {
      const blob = sample(severalParts);
      await put(store, blob);
      const before = await openFiles();
      const streams = await Promise.all(Array.from({ length: 10 }, () => store.read(blob.digest)));
      for (const stream of streams.slice(0, 5)) for await (const _ of stream) break;
      expect(await opened(before)).not.toEqual([]);
      for (const stream of streams) stream.destroy();
      await vi.waitFor(async () => expect(await opened(before)).toEqual([]));
    });

    test('needs no more memory for more bytes', { timeout: 120_000 }, async () => {
      const mebibytes = 320;
      const chunk = sample(mebibyte).bytes;
      const start = process.memoryUsage.rss();
      let most = start;
      const source = async function* () {
        for (let count = 0; count < mebibytes; count++) {
          yield new Uint8Array(chunk);
          most = Math.max(most, process.memoryUsage.rss());
        }
      };
      // Nobody checks that the digest is right.
      const { digest } = sample(10);
      await store.write(source(), { digest: Promise.resolve(digest), size: mebibytes * mebibyte });
      let read = 0;
      for await (const part of await store.read(digest)) {
        read += (part as Uint8Array).length;
        most = Math.max(most, process.memoryUsage.rss());
      }
      expect(read).toBe(mebibytes * mebibyte);
      expect((most - start) / mebibyte).toBeLessThan(200);
    });
  });
}
