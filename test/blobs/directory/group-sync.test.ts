import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { GroupSync } from '../../../src/blobs/directory/group-sync.ts';
import { scratchDirectory } from '../../support/catalog.ts';

const many = Array.from({ length: 100 }, (_, index) => `file ${index}`);

/** A `sync` that notes how it was called, and then does what the script says. */
async function replaceSync(script: string): Promise<() => Promise<string[]>> {
  const directory = await scratchDirectory();
  const notes = join(directory, 'notes');
  await writeFile(notes, '');
  await mkdir(join(directory, 'bin'));
  await writeFile(join(directory, 'bin/sync'), `#!/bin/sh\necho "$@" >> ${notes}\n${script}\n`, {
    mode: 0o755,
  });
  const before = process.env['PATH'];
  process.env['PATH'] = `${directory}/bin:${before}`;
  onTestFinished(() => {
    process.env['PATH'] = before;
  });
  return async () => (await readFile(notes, 'utf8')).split('\n').slice(0, -1);
}

async function setUp() {
  const directory = await scratchDirectory();
  const paths = many.map((name) => join(directory, name));
  for (const path of paths) await writeFile(path, path);
  const group = new GroupSync(directory);
  onTestFinished(() => group.close());
  return { directory, paths, group };
}

test('many files at once cost a few syncs of the file system', async () => {
  const calls = await replaceSync('exec /bin/sync "$@"');
  const { directory, paths, group } = await setUp();
  await Promise.all(paths.map((path) => group.sync([path])));
  const made = await calls();
  expect(made.length).toBeGreaterThan(0);
  expect(made.length).toBeLessThan(10);
  expect(new Set(made)).toEqual(new Set([`-f ${directory}`]));
});

test('few files are synced one by one', async () => {
  const calls = await replaceSync('exit 1');
  const { paths, group } = await setUp();
  await Promise.all(paths.slice(0, 3).map((path) => group.sync([path])));
  expect(await calls()).toEqual([]);
});

test.each([
  ['cannot sync a file system', 'exit 1'],
  ['is killed', 'kill -9 $PPID'],
])('where the program %s, each file is synced by itself', async (_, script) => {
  const calls = await replaceSync(script);
  const { paths, group } = await setUp();
  await Promise.all(paths.map((path) => group.sync([path])));
  expect((await calls()).length).toBeGreaterThan(0);
  // A sync of each is seen by what cannot be synced.
  const missing = paths.map((path) => `${path} that is not there`);
  const failed = await Promise.allSettled(missing.map((path) => group.sync([path])));
  expect(failed.map(({ status }) => status)).toEqual(missing.map(() => 'rejected'));
});
