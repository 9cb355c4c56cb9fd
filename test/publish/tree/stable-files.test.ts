import { rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { HeadwaterError } from '../../../src/errors.ts';
import { StableFiles } from '../../../src/publish/tree/stable-files.ts';
import { makeDirectory, writeFiles } from './trees.ts';

async function twoFiles(): Promise<[string, string]> {
  const directory = await makeDirectory();
  await writeFiles(directory, { one: '1', two: '2' });
  return [join(directory, 'one'), join(directory, 'two')];
}

test('files are ready once they were twice the same', async () => {
  const settling = new StableFiles(0, 0);
  const paths = await twoFiles();
  expect(await settling.look('x', paths)).toBe('settling');
  expect(await settling.look('x', paths)).toBe('ready');
});

test('files are not ready before their time', async () => {
  const settling = new StableFiles(3_600_000, 0);
  const paths = await twoFiles();
  expect(await settling.look('x', paths)).toBe('settling');
  expect(await settling.look('x', paths)).toBe('settling');
});

test.each([
  ['grew', ([one]: string[]) => writeFile(one ?? '', 'longer')],
  ['were written again', ([one]: string[]) => utimes(one ?? '', 1, 1)],
  ['went', ([one]: string[]) => rm(one ?? '')],
  ['came', (paths: string[]) => paths.push(`${paths[0]}.sum`)],
])('files that %s settle anew', async (_, change) => {
  const settling = new StableFiles(0, 0);
  const paths: string[] = await twoFiles();
  await settling.look('x', paths);
  await change(paths);
  expect(await settling.look('x', paths)).toBe('settling');
  expect(await settling.look('x', paths)).toBe('ready');
});

test.each(['.two', 'two.part', 'two.tmp'])('a file called %s is not finished', async (name) => {
  const settling = new StableFiles(0, 0);
  const paths = [...(await twoFiles()), `/${name}`];
  await settling.look('x', paths);
  expect(await settling.look('x', paths)).toBe('settling');
});

test('what was dealt with is ready again when its files change', async () => {
  const settling = new StableFiles(0, 0);
  const paths = await twoFiles();
  await settling.look('x', paths);
  settling.handle('x', new HeadwaterError('invalid', 'no image'));
  expect(await settling.look('x', paths)).toBe('handled');
  await writeFile(paths[0], 'other');
  expect(await settling.look('x', paths)).toBe('settling');
  expect(await settling.look('x', paths)).toBe('ready');
});

test.each(['unavailable', 'no-space'] as const)('what failed because of %s is tried again', async (kind) => {
  const paths = await twoFiles();
  const soon = new StableFiles(0, 0);
  await soon.look('x', paths);
  soon.handle('x', new HeadwaterError(kind, 'the store'));
  expect(await soon.look('x', paths)).toBe('ready');

  const later = new StableFiles(0, 3_600_000);
  await later.look('x', paths);
  later.handle('x', new HeadwaterError(kind, 'the store'));
  expect(await later.look('x', paths)).toBe('handled');
});

test('what is gone is forgotten', async () => {
  const settling = new StableFiles(0, 0);
  const paths = await twoFiles();
  await settling.look('x', paths);
  settling.finish('y');
  expect([settling.has('x'), settling.has('y'), settling.isFinished('y')]).toEqual([true, true, true]);
  settling.keepOnly(new Set(['x']));
  expect([settling.has('x'), settling.has('y'), settling.isFinished('y')]).toEqual([true, false, false]);
  settling.keepOnly(new Set());
  expect(settling.has('x')).toBe(false);
});
