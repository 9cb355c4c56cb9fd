import { mkdir, mkdtemp, readdir, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { blobKey } from '../../../src/blobs/blob-key.ts';
import { DirectoryStore } from '../../../src/blobs/directory/directory-store.ts';
import { processName } from '../../../src/files/process-name.ts';
import { startWriting } from '../abandoned-write.ts';
import { get, listed, put, sample } from '../bytes.ts';
import { describeStore } from '../store-suite.ts';

describeStore('directory store', async () => {
  const root = await mkdtemp(join(tmpdir(), 'headwater-blobs-'));
  return {
    store: new DirectoryStore(root),
    again: async () => {
      const again = new DirectoryStore(root);
      await again.open({ create: false });
      return again;
    },
    leftovers: () => readdir(join(root, 'staging')),
    dispose: () => rm(root, { recursive: true }),
  };
});

describe('directory store', () => {
  let parent: string;
  let root: string;
  let store: DirectoryStore;

  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), 'headwater-blobs-'));
    root = join(parent, 'not', 'there', 'yet');
    store = new DirectoryStore(root);
    await store.open();
  });

  afterEach(async () => {
    await rm(parent, { recursive: true });
  });

  const staged = () => readdir(join(root, 'staging'));

  test('keeps a blob under its digest', async () => {
    const blob = sample(10);
    await put(store, blob);
    const path = join(root, 'blobs', 'sha256', blob.digest.slice(0, 2), blob.digest);
    expect(join(root, blobKey(blob.digest))).toBe(path);
    expect(await readdir(join(path, '..'))).toEqual([blob.digest]);
  });

  test('opens a directory that holds blobs already', async () => {
    const blob = sample(10);
    await put(store, blob);
    const other = new DirectoryStore(root);
    await other.open();
    expect(await get(other, blob.digest)).toEqual(blob.bytes);
  });

  test('of files of which one is gone the others are whole blobs or nothing', async () => {
    const blobs = Array.from({ length: 40 }, (_, index) => sample(1000 + index));
    const places = await store.stage(blobs.length);
    const files = blobs.map((blob, index) => ({ ...blob, path: places.paths[index] ?? '' }));
    for (const { path, bytes } of files.slice(1)) await writeFile(path, bytes);
    await expect(places.keep(files)).rejects.toMatchObject({ kind: 'unavailable' });
    await places.discard();
    expect(await staged()).toEqual([]);
    const kept = await listed(store);
    expect(kept.map(({ digest }) => digest).sort()).toEqual(
      blobs
        .slice(1)
        .map(({ digest }) => digest)
        .sort(),
    );
    for (const { digest } of kept) {
      expect(await get(store, digest)).toEqual(blobs.find((blob) => blob.digest === digest)?.bytes);
    }
  });

  test('lists nothing but blobs', async () => {
    const blob = sample(10);
    await put(store, blob);
    await writeFile(join(root, 'blobs', 'sha256', 'README'), 'not a blob');
    await writeFile(join(root, blobKey(blob.digest), '..', 'notes.txt'), 'not a blob');
    // A digest in the wrong directory cannot be read by its name.
    const { digest } = sample(1);
    const wrong = digest.startsWith('00') ? 'ff' : '00';
    await mkdir(join(root, 'blobs', 'sha256', wrong), { recursive: true });
    await writeFile(join(root, 'blobs', 'sha256', wrong, digest), 'not a blob');
    expect((await listed(store)).map((stat) => stat.digest)).toEqual([blob.digest]);
  });

  test('renews a blob that is written again', async () => {
    const blob = sample(10);
    await put(store, blob);
    const first = await store.stat(blob.digest);
    await new Promise((resolve) => setTimeout(resolve, 20));
    await put(store, blob);
    const second = await store.stat(blob.digest);
    expect(second?.modified.getTime()).toBeGreaterThan(first?.modified.getTime() ?? Number.POSITIVE_INFINITY);
  });

  test('mends a blob that has lost bytes when it is written again', async () => {
    const blob = sample(1000);
    await put(store, blob);
    await writeFile(join(root, blobKey(blob.digest)), blob.bytes.subarray(0, 100));
    await put(store, blob);
    expect(await get(store, blob.digest)).toEqual(blob.bytes);
  });

  test('fails when a file loses bytes while it is read', async () => {
    const blob = sample(8 * 1024 * 1024);
    await put(store, blob);
    const stream = await store.read(blob.digest);
    await writeFile(join(root, blobKey(blob.digest)), 'short');
    const read = (async () => {
      for await (const _ of stream);
    })();
    await expect(read).rejects.toMatchObject({ kind: 'unavailable' });
  });

  test('does without directories that were tidied away', async () => {
    const blob = sample(10);
    await put(store, blob);
    await rm(join(root, 'blobs', 'sha256', blob.digest.slice(0, 2)), { recursive: true });
    await put(store, blob);
    expect(await get(store, blob.digest)).toEqual(blob.bytes);
  });

  test('tells a missing blob from a directory that is gone', async () => {
    const { digest } = sample(10);
    await rename(root, `${root}.gone`);
    const gone = { kind: 'unavailable', message: expect.stringContaining(root) };
    await expect(store.stat(digest)).rejects.toMatchObject(gone);
    await expect(store.read(digest)).rejects.toMatchObject(gone);
    await expect(store.check()).rejects.toMatchObject(gone);
    await expect(put(store, sample(10))).rejects.toMatchObject(gone);
  });

  test('is not made anew where it must exist', async () => {
    const blobs = join(root, 'blobs', 'sha256');
    await rm(join(root, 'blobs'), { recursive: true });
    const missing = { kind: 'unavailable', message: expect.stringContaining(blobs) };
    await expect(new DirectoryStore(root).open({ create: false })).rejects.toMatchObject(missing);
    await expect(readdir(blobs)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('names the path that cannot be used', async () => {
    const file = join(parent, 'file');
    await writeFile(file, '');
    await expect(new DirectoryStore(file).open()).rejects.toMatchObject({
      kind: 'unavailable',
      message: expect.stringContaining(file),
    });
  });

  describe('cleans up when it is opened', () => {
    test('after a process that was killed, not after one that still writes', async () => {
      const writing = await startWriting('directory/directory-store.ts', 'DirectoryStore', root);
      await expect.poll(staged).toHaveLength(1);
      const own = join(root, 'staging', await processName());
      await writeFile(own, 'still being written');
      await new DirectoryStore(root).open();
      expect(await staged()).toHaveLength(2);
      await writing.kill();
      await new DirectoryStore(root).open();
      expect(await staged()).toEqual([own.slice(own.lastIndexOf('/') + 1)]);
      expect(await listed(store)).toEqual([]);
    });

    test('after another machine only when a day has passed, and never what is not its own', async () => {
      const dayAgo = new Date(Date.now() - 25 * 60 * 60 * 1000);
      const foreign = async () => (await processName()).replace(/^\w+\.\w+/, '0123abcd.4567cdef');
      const [young, old, notes] = [await foreign(), await foreign(), 'notes.txt'];
      for (const name of [young, old, notes]) await writeFile(join(root, 'staging', name), '');
      for (const name of [old, notes]) await utimes(join(root, 'staging', name), dayAgo, dayAgo);
      await new DirectoryStore(root).open();
      expect((await staged()).sort()).toEqual([young, notes].sort());
    });
  });
});
