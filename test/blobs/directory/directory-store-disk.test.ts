import { readlinkSync } from 'node:fs';
import fsPromises, {
  link,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  stat,
  statfs,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { blobKey } from '../../../src/blobs/blob-key.ts';
import { DirectoryStore } from '../../../src/blobs/directory/directory-store.ts';
import { type Mounted, mountMemory, mountXfs } from '../../support/mount.ts';
import { rootIsMissing } from '../../support/needs.ts';
import { get, listed, put, sample } from '../bytes.ts';

const mebibyte = 1024 * 1024;

async function openStore(root: string): Promise<DirectoryStore> {
  const store = new DirectoryStore(root);
  await store.open();
  return store;
}

async function temporaryDirectory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'headwater-blobs-'));
  onTestFinished(() => rm(path, { recursive: true }));
  return path;
}

describe.skipIf(rootIsMissing())('a disk that is full or read-only (needs root, to mount one)', () => {
  let disk: Mounted;
  let store: DirectoryStore;
  const root = () => join(disk.path, 'store');
  const staged = () => readdir(join(root(), 'staging'));

  beforeEach(async () => {
    disk = await mountMemory('8m');
    store = await openStore(root());
  });

  afterEach(async () => {
    await disk.unmount();
  });

  test('refuses what it has no room for, and leaves nothing behind', async () => {
    await expect(put(store, sample(16 * mebibyte))).rejects.toMatchObject({
      kind: 'no-space',
      message: expect.stringContaining(root()),
    });
    expect(await staged()).toEqual([]);
    expect(await listed(store)).toEqual([]);
    const blob = sample(6 * mebibyte);
    await put(store, blob);
    expect((await get(store, blob.digest)).equals(blob.bytes)).toBe(true);
  });

  test('keeps a blob whole or not at all when the room just suffices, or just does not', async () => {
    const { bavail, bsize } = await statfs(disk.path);
    const free = bavail * bsize;
    for (const size of [free - mebibyte, free - 100, free + 100, free + mebibyte, free - 64 * 1024]) {
      const blob = sample(size);
      const outcome = await put(store, blob).then(
        () => 'kept',
        (error: { kind: string }) => error.kind,
      );
      expect(['kept', 'no-space']).toContain(outcome);
      if (outcome === 'kept') expect((await get(store, blob.digest)).equals(blob.bytes)).toBe(true);
      await store.remove(blob.digest);
    }
  });

  test('refuses the one of several writers that has no room', async () => {
    const blobs = [sample(5 * mebibyte), sample(5 * mebibyte), sample(mebibyte)];
    const outcomes = await Promise.allSettled(blobs.map((blob) => put(store, blob)));
    const kept = blobs.filter((_, index) => outcomes[index]?.status === 'fulfilled');
    expect(kept.length).toBeLessThan(3);
    for (const { digest, bytes } of kept) expect((await get(store, digest)).equals(bytes)).toBe(true);
    expect(await listed(store)).toHaveLength(kept.length);
    expect(await staged()).toEqual([]);
  });

  test('is not ready when it is full', async () => {
    await expect(writeFile(join(disk.path, 'rest'), Buffer.alloc(16 * mebibyte))).rejects.toThrow('ENOSPC');
    await expect(store.check()).rejects.toMatchObject({ kind: 'unavailable', message: /full/ });
    expect(await staged()).toEqual([]);
  });

  test('is unavailable for writing when it is mounted read-only, and can be read', async () => {
    const blob = sample(1000);
    await put(store, blob);
    await disk.remount('ro');
    await expect(put(store, sample(1000))).rejects.toMatchObject({
      kind: 'unavailable',
      message: expect.stringMatching(/store\/staging.*read-only/),
    });
    await expect(store.check()).rejects.toMatchObject({ kind: 'unavailable' });
    await expect(store.remove(blob.digest)).rejects.toMatchObject({ kind: 'unavailable' });
    expect((await get(store, blob.digest)).equals(blob.bytes)).toBe(true);
  });

  test('cannot take over a file of another disk', async () => {
    const { bytes, digest } = sample(1000);
    const path = join(await temporaryDirectory(), 'image');
    await writeFile(path, bytes);
    expect(await store.adopt(path, digest)).toBe(false);
    expect(await staged()).toEqual([]);
    expect(await store.stat(digest)).toBeUndefined();
  });
});

describe('taking a file over', () => {
  async function file(directory: string, bytes: Buffer): Promise<string> {
    const path = join(directory, 'image');
    await writeFile(path, bytes);
    const old = new Date('2001-02-03');
    await utimes(path, old, old);
    return path;
  }

  test('shares its bytes, leaves it where it is, and outlives it', async () => {
    const directory = await temporaryDirectory();
    const store = await openStore(join(directory, 'store'));
    const { bytes, digest } = sample(3 * mebibyte);
    const path = await file(directory, bytes);
    const before = Date.now() - 2000;
    expect(await store.adopt(path, digest)).toBe(true);
    const adopted = await store.stat(digest);
    expect(adopted).toMatchObject({ digest, size: bytes.length });
    expect(adopted?.modified.getTime()).toBeGreaterThan(before);
    expect((await stat(path)).mtime).toEqual(new Date('2001-02-03'));
    expect(await store.adopt(path, digest)).toBe(true);
    expect((await readFile(path)).equals(bytes)).toBe(true);
    await rm(path);
    expect((await get(store, digest)).equals(bytes)).toBe(true);
    expect(await readdir(join(directory, 'store', 'staging'))).toEqual([]);
  });

  test('replaces a blob that is damaged, and no other', async () => {
    const directory = await temporaryDirectory();
    const root = join(directory, 'store');
    const store = await openStore(root);
    const { bytes, digest } = sample(3 * mebibyte);
    await put(store, { bytes, digest });
    const blob = join(root, 'blobs/sha256', digest.slice(0, 2), digest);
    const { ino } = await stat(blob);
    const path = await file(directory, bytes);
    await store.adopt(path, digest);
    expect((await stat(blob)).ino).toBe(ino);
    const handle = await open(blob, 'r+');
    await handle.write('damaged', 2 * mebibyte);
    await handle.close();
    expect((await get(store, digest)).equals(bytes)).toBe(false);
    await store.adopt(path, digest);
    expect((await get(store, digest)).equals(bytes)).toBe(true);
  });

  test('follows a symbolic link', async () => {
    const directory = await temporaryDirectory();
    const store = await openStore(join(directory, 'store'));
    const { bytes, digest } = sample(1000);
    await symlink(await file(directory, bytes), join(directory, 'latest'));
    await store.adopt(join(directory, 'latest'), digest);
    await rm(join(directory, 'latest'));
    expect(await get(store, digest)).toEqual(bytes);
  });

  test('says that a file is missing', async () => {
    const directory = await temporaryDirectory();
    const store = await openStore(directory);
    await expect(store.adopt(join(directory, 'gone'), sample(1).digest)).rejects.toMatchObject({
      kind: 'not-found',
      message: expect.stringContaining('gone'),
    });
  });

  test.skipIf(rootIsMissing())(
    'leaves the blob as it was when the file changes, where bytes can be cloned',
    async () => {
      const disk = await mountXfs();
      onTestFinished(() => disk.unmount());
      const store = await openStore(join(disk.path, 'store'));
      const { bytes, digest } = sample(3 * mebibyte);
      const path = await file(disk.path, bytes);
      await store.adopt(path, digest);
      const handle = await open(path, 'r+');
      await handle.write('changed', 0);
      await handle.close();
      expect((await get(store, digest)).equals(bytes)).toBe(true);
    },
  );
});

test('a blob gets its name after its bytes are on the disk, and counts as written after its name is', async () => {
  const root = await temporaryDirectory();
  const store = await openStore(root);
  const { digest, bytes } = sample(5 * mebibyte);
  const events: string[] = [];
  const handle = await open(root);
  const prototype = Object.getPrototypeOf(handle) as typeof handle;
  await handle.close();
  const named = (path: string) => path.slice(root.length + 1).replace(/staging\/.+/, 'staging/*');
  const { sync } = prototype;
  vi.spyOn(prototype, 'sync').mockImplementation(async function (this: typeof handle) {
    const path = readlinkSync(`/proc/self/fd/${this.fd}`);
    await sync.call(this);
    events.push(`sync ${named(path)}`);
  });
  const { rename } = fsPromises;
  vi.spyOn(fsPromises, 'rename').mockImplementation(async (from, to) => {
    await rename(from, to);
    events.push(`rename ${named(String(from))} ${named(String(to))}`);
  });
  syncBuiltinESMExports();
  onTestFinished(() => {
    vi.restoreAllMocks();
    syncBuiltinESMExports();
  });

  await put(store, { digest, bytes });
  const directory = `blobs/sha256/${digest.slice(0, 2)}`;
  expect(events).toEqual([
    'sync staging/*',
    'sync blobs/sha256',
    `rename staging/* ${blobKey(digest)}`,
    `sync ${directory}`,
  ]);
  await link(join(root, blobKey(digest)), join(root, 'image'));
  await store.remove(digest);
  events.length = 0;
  await store.adopt(join(root, 'image'), digest);
  expect(events).toEqual(['sync staging/*', `rename staging/* ${blobKey(digest)}`, `sync ${directory}`]);
});
