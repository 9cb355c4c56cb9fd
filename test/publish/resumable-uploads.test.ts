import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Uploads } from '../../src/publish/resumable-uploads.ts';
import { scratchDirectory } from '../support/catalog.ts';

const digest = 'ab'.repeat(32);
const uploader = '01'.repeat(16);
const longAgo = new Date('2020-01-01');
const yesterday = new Date(Date.now() - 24 * 3_600_000);

async function uploadsIn(directory: string): Promise<{ uploads: Uploads; asked: string[] }> {
  const asked: string[] = [];
  const uploads = new Uploads({
    directory,
    uploadersOf: async (each) => {
      asked.push(each);
      return new Set();
    },
    limit: 1000,
    unfinished: { uploads: 1, bytes: 1000, unpublished: async () => 0 },
  });
  return { uploads, asked };
}

test('uploads that nobody continued are removed, and files that are no uploads stay', async () => {
  const directory = await scratchDirectory();
  const names = {
    old: `${digest}-${uploader}`,
    // Of a version before 0.2.0.
    older: digest,
    recent: `${'cd'.repeat(32)}-${uploader}`,
    strange: ['notes.txt', `${digest}.bak`, `${digest.slice(2)}-${uploader}`, `${digest}-${uploader}-1`],
  };
  await mkdir(join(directory, 'lost+found'));
  for (const name of [names.old, names.older, names.recent, ...names.strange]) {
    await writeFile(join(directory, name), 'bytes');
    if (name !== names.recent) await utimes(join(directory, name), longAgo, longAgo);
  }
  await utimes(join(directory, 'lost+found'), longAgo, longAgo);

  const { uploads, asked } = await uploadsIn(directory);
  await uploads.clean(yesterday);
  expect((await readdir(directory)).sort()).toEqual([...names.strange, 'lost+found', names.recent].sort());
  expect(asked).toEqual(['cd'.repeat(32)]);
});

test('a directory of uploads that does not exist is clean', async () => {
  const { uploads } = await uploadsIn(join(await scratchDirectory(), 'none'));
  await uploads.clean(yesterday);
});
