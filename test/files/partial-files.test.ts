import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { claimPartial, leavePartial } from '../../src/files/partial-files.ts';
import { processName } from '../../src/files/process-name.ts';
import { cleanDownloads } from '../../src/mirror/download/download-directories.ts';
import { parseDigest } from '../../src/model/digest.ts';
import { scratchDirectory } from '../support/catalog.ts';
import { TestServer } from '../support/server.ts';

const digest = parseDigest('ab'.repeat(32));
const other = parseDigest('cd'.repeat(32));
const day = 24 * 3_600_000;

/** The name that a process which has ended gave to its part: this one's, as if it had started at another time. */
async function nameOfTheDead(): Promise<string> {
  return (await processName()).replace(/\.\d+-/, '.1-');
}

test('what is left of a file is taken by one of many, and by another only when that one leaves it', async () => {
  const directory = await scratchDirectory();
  await writeFile(join(directory, digest), 'left');
  await writeFile(join(directory, other), 'something else');
  const claims = await Promise.all(Array.from({ length: 8 }, () => claimPartial(directory, digest, 100)));
  expect(new Set(claims.map(({ path }) => path)).size).toBe(8);
  const taken = claims.filter(({ arrived }) => arrived > 0);
  expect(taken).toMatchObject([{ arrived: 4 }]);
  expect(await claimPartial(directory, digest, 100)).toMatchObject({ arrived: 0 });
  await leavePartial(taken[0]?.path ?? '', directory, digest);
  expect(await claimPartial(directory, digest, 100)).toMatchObject({ arrived: 4 });
  expect(await readdir(directory)).toContain(other);
});

test('what a process left that was killed is taken over, the largest part of it', async () => {
  const directory = await scratchDirectory();
  await writeFile(join(directory, `${digest}.${await nameOfTheDead()}`), 'much more');
  await writeFile(join(directory, `${digest}.${await nameOfTheDead()}`), 'too much of it');
  await writeFile(join(directory, digest), 'some');
  expect(await claimPartial(directory, digest, 10)).toMatchObject({ arrived: 9 });
  expect(await claimPartial(directory, digest, 10)).toMatchObject({ arrived: 4 });
});

test('what is left for a week goes, and what somebody has begun to read stays', async () => {
  const dataDir = await scratchDirectory();
  const now = Date.now();
  const put = async (name: string, days: { written: number; read: number }) => {
    const path = join(dataDir, 'downloads', name);
    await writeFile(path, 'some');
    await utimes(path, new Date(now - days.read * day), new Date(now - days.written * day));
  };
  await cleanDownloads(dataDir);
  await mkdir(join(dataDir, 'downloads/on-demand'), { recursive: true });
  for (const place of ['', 'on-demand/']) {
    await put(`${place}old`, { written: 8, read: 8 });
    await put(`${place}young`, { written: 6, read: 6 });
    await put(`${place}resumed`, { written: 8, read: 0 });
  }
  await cleanDownloads(dataDir);
  expect((await readdir(join(dataDir, 'downloads'))).sort()).toEqual(['on-demand', 'resumed', 'young']);
  expect((await readdir(join(dataDir, 'downloads/on-demand'))).sort()).toEqual(['resumed', 'young']);
});

test('what is taken over is no longer old', async () => {
  const dataDir = await scratchDirectory();
  const directory = join(dataDir, 'downloads/on-demand');
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, digest), 'some');
  const long = new Date(Date.now() - 30 * day);
  await utimes(join(directory, digest), long, long);
  await claimPartial(directory, digest, 100);
  await cleanDownloads(dataDir);
  expect(await readdir(directory)).toHaveLength(1);
});

test('a running server removes what was left', async () => {
  const dataDir = await scratchDirectory();
  await mkdir(join(dataDir, 'downloads'));
  const old = new Date(Date.now() - 8 * day);
  await writeFile(join(dataDir, 'downloads', digest), 'some');
  await utimes(join(dataDir, 'downloads', digest), old, old);
  await writeFile(join(dataDir, 'downloads', other), 'some');
  await TestServer.start({ tls: 'off', dataDir });
  await expect.poll(() => readdir(join(dataDir, 'downloads'))).toEqual([other]);
});
