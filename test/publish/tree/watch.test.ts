import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { HeadwaterError } from '../../../src/errors.ts';
import type { FoundRequest } from '../../../src/publish/tree/tree-versions.ts';
import { type WatchOptions, watchTree } from '../../../src/publish/tree/watch.ts';
import { digestsOf, makeDirectory, sha256, writeFiles } from './trees.ts';

const product = 'images/debian/bookworm/amd64/default';

const whole = { 'lxd.tar.xz': 'meta', 'rootfs.squashfs': 'root' };

interface Watched {
  /** The serials of the versions that were taken, in order. */
  taken: string[];
  found: FoundRequest[];
  failed: [path: string, message: string][];
  stop: () => Promise<void>;
}

/** Watches a tree until the test is over. */
function watching(directory: string, more: Partial<WatchOptions> = {}): Watched {
  const stopping = new AbortController();
  const watched: Watched = {
    taken: [],
    found: [],
    failed: [],
    async stop() {
      stopping.abort();
      await ended;
    },
  };
  const ended = watchTree(directory, {
    onError: ({ path, error }) => watched.failed.push([path, error.message]),
    signal: stopping.signal,
    settle: 60,
    interval: 100,
    ...more,
    async onVersion(found) {
      await more.onVersion?.(found);
      watched.found.push(found);
      watched.taken.push(found.request.serial ?? '');
    },
  });
  onTestFinished(watched.stop);
  return watched;
}

const seeing = (check: () => void) => vi.waitFor(check, { timeout: 20_000, interval: 20 });

/** Puts a whole version in place at once, as builders do. */
async function drop(root: string, directory: string, serial: string): Promise<void> {
  const hidden = join(root, directory, `.${serial}`);
  await writeFiles(hidden, whole);
  await rename(hidden, join(root, directory, serial));
}

/** Resolves once a version that is dropped now has been taken: by then, what was dropped before was looked at. */
async function anotherRound(root: string, watched: Watched, serial: string): Promise<void> {
  await drop(root, product, serial);
  await seeing(() => expect(watched.taken).toContain(serial));
}

test('takes the versions that are there and those that come, each once', async () => {
  const root = await makeDirectory();
  await writeFiles(join(root, product, '20260101_0000'), whole);
  const watched = watching(root);
  await seeing(() => expect(watched.taken).toEqual(['20260101_0000']));
  await drop(root, product, '20260102_0000');
  await seeing(() => expect(watched.taken).toEqual(['20260101_0000', '20260102_0000']));
  await drop(root, 'images/debian/trixie/arm64/default', '20260103_0000');
  await seeing(() => expect(watched.taken).toHaveLength(3));
  await anotherRound(root, watched, '20260104_0000');
  expect(watched.taken).toEqual(['20260101_0000', '20260102_0000', '20260103_0000', '20260104_0000']);
  expect(watched.failed).toEqual([]);
  expect(watched.found[2]?.request).toMatchObject({ release: 'trixie', architecture: 'arm64' });
});

test('is told of new versions without waiting for the next scan', async () => {
  const root = await makeDirectory();
  await writeFiles(join(root, product, '20260101_0000'), whole);
  const watched = watching(root, { interval: 3_600_000 });
  await seeing(() => expect(watched.taken).toHaveLength(1));
  await drop(root, product, '20260102_0000');
  await seeing(() => expect(watched.taken).toHaveLength(2));
});

test('waits while a version is hidden, or a file of it has an unfinished name', async () => {
  const root = await makeDirectory();
  const at = (name: string) => join(root, product, name);
  await writeFiles(at('.20260101_0000'), whole);
  await writeFiles(at('20260102_0000'), { 'lxd.tar.xz': 'meta', 'rootfs.squashfs.part': 'ro' });
  await writeFiles(at('20260103_0000'), { ...whole, '.rootfs.tar.xz.Xy7': 'ro' });
  await writeFiles(at('20260104_0000'), { ...whole, 'packages.tmp': 'a' });
  const watched = watching(root);
  await anotherRound(root, watched, '20260109_0000');
  await anotherRound(root, watched, '20260110_0000');
  expect(watched.taken).toEqual(['20260109_0000', '20260110_0000']);
  expect(watched.failed).toEqual([]);

  await rename(at('.20260101_0000'), at('20260101_0000'));
  await rename(
    join(at('20260102_0000'), 'rootfs.squashfs.part'),
    join(at('20260102_0000'), 'rootfs.squashfs'),
  );
  await rename(join(at('20260103_0000'), '.rootfs.tar.xz.Xy7'), join(at('20260103_0000'), 'rootfs.tar.xz'));
  await rm(join(at('20260104_0000'), 'packages.tmp'));
  await seeing(() => expect(watched.taken).toHaveLength(6));
  const third = watched.found.find(({ request }) => request.serial === '20260103_0000');
  expect(third?.request.files.map(({ name }) => name)).toContain('rootfs.tar.xz');
});

test('tells of what is incomplete, and takes it when it is whole', async () => {
  const root = await makeDirectory();
  const version = join(root, product, '20260101_0000');
  const sums = `${sha256('meta')}  lxd.tar.xz\n${sha256('root')}  rootfs.squashfs\n`;
  await writeFiles(version, { 'lxd.tar.xz': 'meta', 'rootfs.tar.xz': 'root', SHA256SUMS: sums });
  const watched = watching(root);
  await seeing(() => expect(watched.failed).toHaveLength(1));
  expect(watched.failed).toEqual([
    [version, `${version}: incomplete: SHA256SUMS names rootfs.squashfs, which does not exist`],
  ]);
  await anotherRound(root, watched, '20260102_0000');
  expect(watched.failed).toHaveLength(1);
  await writeFiles(version, { 'rootfs.squashfs': 'root' });
  await seeing(() => expect(watched.taken).toEqual(['20260102_0000', '20260101_0000']));
  expect(digestsOf(watched.found[1]?.request.files ?? [])).toMatchObject({
    'rootfs.squashfs': sha256('root'),
  });
});

test('a version that cannot be published is tried again when its files change, and stops no other', async () => {
  const root = await makeDirectory();
  const version = join(root, product, '20260101_0000');
  await writeFiles(version, { ...whole, 'rootfs.squashfs': 'rubbish' });
  let attempts = 0;
  const watched = watching(root, {
    onVersion({ request }) {
      if (request.serial !== '20260101_0000') return;
      attempts++;
      if (attempts === 1) throw new HeadwaterError('invalid', 'rootfs.squashfs: no image');
    },
  });
  await seeing(() => expect(watched.failed).toEqual([[version, 'rootfs.squashfs: no image']]));
  await anotherRound(root, watched, '20260102_0000');
  await anotherRound(root, watched, '20260103_0000');
  expect(attempts).toBe(1);
  await writeFiles(version, { 'rootfs.squashfs': 'a root' });
  await seeing(() => expect(watched.taken).toContain('20260101_0000'));
  expect(attempts).toBe(2);
});

test('when the store was down, a version is tried again by itself', async () => {
  const root = await makeDirectory();
  await writeFiles(join(root, product, '20260101_0000'), whole);
  let down = 2;
  const watched = watching(root, {
    retry: 20,
    onVersion() {
      if (down-- > 0) throw new HeadwaterError('unavailable', 'the store is down');
    },
  });
  await seeing(() => expect(watched.taken).toEqual(['20260101_0000']));
  expect(watched.failed).toHaveLength(2);
});

test('hands on one version at a time', async () => {
  const root = await makeDirectory();
  for (const day of [1, 2, 3, 4]) await writeFiles(join(root, product, `2026010${day}_0000`), whole);
  let busy = 0;
  let most = 0;
  const watched = watching(root, {
    async onVersion() {
      busy++;
      most = Math.max(most, busy);
      await new Promise((resolve) => setTimeout(resolve, 30));
      busy--;
    },
  });
  await seeing(() => expect(watched.taken).toHaveLength(4));
  expect(most).toBe(1);
});

test('asks about each version once, and leaves alone what is known', async () => {
  const root = await makeDirectory();
  await writeFiles(join(root, product, '20260101_0000'), { SHA256SUMS: 'would be an error' });
  const known = vi.fn(async (_: unknown, serial: string) => serial === '20260101_0000');
  const watched = watching(root, { known });
  await anotherRound(root, watched, '20260102_0000');
  await anotherRound(root, watched, '20260103_0000');
  expect(watched.taken).toEqual(['20260102_0000', '20260103_0000']);
  expect(watched.failed).toEqual([]);
  expect(known.mock.calls.map(([, serial]) => serial)).toEqual([
    '20260101_0000',
    '20260102_0000',
    '20260103_0000',
  ]);
});

test('goes on when the directory is removed and made again', async () => {
  const parent = await makeDirectory();
  const root = join(parent, 'drop');
  const watched = watching(root);
  await seeing(() => expect(watched.failed).toEqual([[root, `${root}: no such file or directory`]]));
  await anotherRound(root, watched, '20260101_0000');
  await rm(root, { recursive: true });
  await seeing(() => expect(watched.failed).toHaveLength(2));
  await mkdir(root);
  await anotherRound(root, watched, '20260102_0000');
  await anotherRound(root, watched, '20260103_0000');
  expect(watched.taken).toEqual(['20260101_0000', '20260102_0000', '20260103_0000']);
  expect(watched.failed).toHaveLength(2);
});

test('a version that was removed and made again is taken again', async () => {
  const root = await makeDirectory();
  const watched = watching(root);
  await anotherRound(root, watched, '20260101_0000');
  await rm(join(root, product, '20260101_0000'), { recursive: true });
  await anotherRound(root, watched, '20260102_0000');
  await drop(root, product, '20260101_0000');
  await seeing(() => expect(watched.taken).toEqual(['20260101_0000', '20260102_0000', '20260101_0000']));
});

test('says once what is misplaced', async () => {
  const root = await makeDirectory();
  await writeFiles(join(root, 'images/here'), whole);
  const watched = watching(root);
  await anotherRound(root, watched, '20260101_0000');
  await anotherRound(root, watched, '20260102_0000');
  expect(watched.failed).toEqual([
    [join(root, 'images/here'), expect.stringContaining('holds image files, but is not at')],
  ]);
});

test('follows documents that name versions', async () => {
  const root = await makeDirectory();
  const item = (ftype: string, path: string) => ({ ftype, path, sha256: sha256(path), size: path.length });
  const version = (name: string) => ({
    items: {
      m: item('incus.tar.xz', `images/${name}.tar.xz`),
      r: item('squashfs', `images/${name}.squashfs`),
    },
  });
  const document = async (...names: string[]) => {
    const versions = Object.fromEntries(names.map((name) => [name, version(name)]));
    const fields = { os: 'Debian', release: 'bookworm', arch: 'amd64', variant: 'default', versions };
    await writeFiles(root, {
      'streams/v1/images.json': JSON.stringify({ products: { x: fields } }),
      'streams/v1/index.json': JSON.stringify({
        index: { images: { datatype: 'image-downloads', path: 'streams/v1/images.json' } },
      }),
    });
  };
  const put = (name: string) => writeFiles(root, { [name]: name });
  const watched = watching(root);
  await document('202601010000');
  await seeing(() =>
    expect(watched.failed).toEqual([
      [expect.stringContaining('202601010000'), expect.stringContaining('is not there')],
    ]),
  );
  await put('images/202601010000.tar.xz');
  await put('images/202601010000.squashfs');
  await seeing(() => expect(watched.taken).toEqual(['20260101_0000']));
  await put('images/202601020000.tar.xz');
  await put('images/202601020000.squashfs');
  await writeFiles(root, { 'streams/v1/images.json': '{"products": {"x": {' });
  await seeing(() => expect(watched.failed.at(-1)?.[1]).toContain('not JSON'));
  await document('202601010000', '202601020000');
  await seeing(() => expect(watched.taken).toEqual(['20260101_0000', '20260102_0000']));
});

test('ends when it is told to, between two versions', async () => {
  const root = await makeDirectory();
  await writeFiles(join(root, product, '20260101_0000'), whole);
  await writeFiles(join(root, product, '20260102_0000'), whole);
  let release = (): void => undefined;
  let begun = false;
  const watched = watching(root, {
    interval: 3_600_000,
    onVersion() {
      begun = true;
      return new Promise<void>((resolve) => {
        release = resolve;
      });
    },
  });
  await seeing(() => expect(begun).toBe(true));
  const stopped = watched.stop();
  release();
  await stopped;
  expect(watched.taken).toEqual(['20260101_0000']);
});
