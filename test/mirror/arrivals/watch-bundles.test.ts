import { appendFile, copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { HeadwaterError } from '../../../src/errors.ts';
import { type WatchOptions, watchBundles } from '../../../src/mirror/arrivals/watch-bundles.ts';
import { scratchDirectory } from '../../support/catalog.ts';
import { checkWritten, writtenBundle } from '../../support/written-bundle.ts';

let drop: string;
let medium: string;
beforeEach(async () => {
  drop = await scratchDirectory();
  medium = await scratchDirectory();
});

interface Watching {
  /** Directories that were imported, with the files that were missing. */
  imported: { directory: string; missing: readonly string[]; files: string[] }[];
  errors: string[];
  /** Waits until the directory was looked at from beginning to end once more. */
  look: () => Promise<void>;
}

/** Watches the drop until the test is over. */
function watch(options: Partial<WatchOptions> = {}): Watching {
  const controller = new AbortController();
  const watching: Watching = { imported: [], errors: [], look: async () => undefined };
  const scans = vi.fn<() => void>();
  const ended = watchBundles(drop, {
    ...{ settle: 1, interval: 20, retry: 20, signal: controller.signal },
    check: async (...args) => {
      scans();
      return await checkWritten(...args);
    },
    onBundle: async (directory, missing) => {
      watching.imported.push({ directory, missing, files: (await readdir(directory)).sort() });
    },
    onError: (_, error) => watching.errors.push(String(error)),
    ...options,
  });
  watching.look = async () => {
    const { length } = scans.mock.calls;
    await vi.waitFor(() => expect(scans.mock.calls.length).toBeGreaterThan(length + 4), { timeout: 10_000 });
  };
  onTestFinished(async () => {
    controller.abort();
    await ended;
  });
  return watching;
}

const until = async (check: () => void) => await vi.waitFor(check, { timeout: 20_000, interval: 5 });

test('a bundle whose files come in any order, one slowly and one twice, is imported when it is complete', async () => {
  const bundle = await writtenBundle(medium);
  const target = join(drop, 'vault-7-0001');
  await mkdir(target);
  const bring = async (name: string) => await copyFile(join(bundle, name), join(target, name));
  const { imported, errors, look } = watch();
  const [first = '', second = '', third = ''] = (await readdir(bundle)).filter((name) =>
    name.endsWith('.tar'),
  );
  await bring('SHA256SUMS');
  await bring(third);
  for (const name of ['bundle.json', 'bundle.json.asc', 'README.txt', 'SHA256SUMS.asc']) await bring(name);
  await look();
  await bring(first);
  await bring(third);
  await look();
  const bytes = await readFile(join(bundle, second));
  for (let at = 0; at < bytes.length; at += 400_000) {
    expect(imported).toEqual([]);
    await appendFile(join(target, second), bytes.subarray(at, at + 400_000));
    // Unchanged for longer than files must be: only its SHA-256 tells that it is not whole.
    if (at + 400_000 < bytes.length) await look();
  }
  await until(() => expect(imported).toHaveLength(1));
  expect(imported[0]).toEqual({ directory: target, missing: [], files: (await readdir(bundle)).sort() });
  expect(errors).toEqual([]);
});

test('a file that arrives once more has the bundle imported again', async () => {
  const bundle = await writtenBundle(drop, { volumes: 1 });
  const { imported } = watch();
  await until(() => expect(imported).toHaveLength(1));
  const volume = join(bundle, 'vault-7-0001.0001.tar');
  const bytes = await readFile(volume);
  await rm(volume);
  await writeFile(volume, bytes);
  await until(() => expect(imported).toHaveLength(2));
});

test('without SHA256SUMS, and with a damaged volume, a bundle waits', async () => {
  const bundle = await writtenBundle(drop, { volumes: 1 });
  const sums = await readFile(join(bundle, 'SHA256SUMS'));
  await rm(join(bundle, 'SHA256SUMS'));
  const { imported, look } = watch();
  await look();
  const volume = join(bundle, 'vault-7-0001.0001.tar');
  const bytes = await readFile(volume);
  await writeFile(volume, Buffer.from(bytes).fill(1, 600_000, 600_001));
  await writeFile(join(bundle, 'SHA256SUMS'), sums);
  await look();
  expect(imported).toEqual([]);
  await writeFile(volume, bytes);
  await until(() => expect(imported).toHaveLength(1));
});

test('bundles that are complete are imported in the order of their numbers', async () => {
  for (const sequence of [10, 9, 8]) await writtenBundle(drop, { sequence, volumes: 1 });
  const { imported } = watch();
  await until(() => expect(imported).toHaveLength(3));
  expect(imported.map(({ directory }) => directory.slice(-4))).toEqual(['0008', '0009', '0010']);
});

test('a bundle of which nothing more arrives is imported as far as it is there', async () => {
  const bundle = await writtenBundle(drop, { volumes: 2 });
  await rm(join(bundle, 'vault-7-0001.0002.tar'));
  const { imported } = watch({ patience: 200 });
  await until(() => expect(imported).toHaveLength(1));
  expect(imported[0]?.missing).toEqual(['vault-7-0001.0002.tar']);
});

test('a signature that is not good is reported once, and the bundle is taken when it is', async () => {
  const bundle = await writtenBundle(drop, { volumes: 1 });
  const signature = await readFile(join(bundle, 'bundle.json.asc'));
  await writeFile(join(bundle, 'bundle.json.asc'), 'of another key\n');
  const { imported, errors } = watch();
  await until(() => expect(errors).toHaveLength(1));
  await writeFile(join(bundle, 'bundle.json.asc'), signature);
  await until(() => expect(imported).toHaveLength(1));
  expect(errors).toHaveLength(1);
});

test('an import that fails for another reason is tried again', async () => {
  await writtenBundle(drop, { volumes: 1 });
  let attempts = 0;
  const { errors } = watch({
    onBundle: async () => {
      attempts += 1;
      if (attempts < 4) throw new HeadwaterError('no-space', 'the disk is full');
    },
  });
  await until(() => expect(attempts).toBe(4));
  expect(errors).toHaveLength(1);
});
