import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { ContentCheck } from '../../src/bundle/content-check.ts';
import { scratchDirectory } from '../support/catalog.ts';

/** A check by a shell script, whose first argument is the file. */
function script(text: string, options: { timeout?: number; places?: number } = {}): ContentCheck {
  return new ContentCheck(['/bin/sh', '-c', text, 'check', '{file}'], options);
}

async function fileWith(text: string, name = 'blob'): Promise<string> {
  const path = join(await scratchDirectory(), name);
  await writeFile(path, text);
  return path;
}

test('the exit code decides, and the output is kept', async () => {
  const check = script('echo "read: $(cat "$1")"; echo "noted" >&2; ! grep -q EICAR "$1"');
  expect(await check.check(await fileWith('harmless'))).toMatchObject({ isGood: true });
  const refused = await check.check(await fileWith('EICAR'));
  expect(refused).toMatchObject({ isGood: false, end: 'exit code 1' });
  expect(refused.output).toContain('read: EICAR');
  expect(refused.output).toContain('noted');
});

test('no shell reads the name of the file, also inside of an argument', async () => {
  const file = await fileWith('x', 'a $(touch injected); b');
  const check = new ContentCheck(['/bin/echo', '--path={file}', 'again {file}']);
  expect(await check.check(file)).toEqual({
    ...{ isGood: true, end: 'exit code 0' },
    output: `--path=${file} again ${file}\n`,
  });
});

test('a program that does not end in time, or is killed, refuses the file', async () => {
  const file = await fileWith('x');
  const late = await script('echo begun; sleep 600 & wait', { timeout: 300 }).check(file);
  expect(late).toEqual({ isGood: false, end: 'no result after 0.3 s', output: 'begun\n' });
  expect(await script('kill -KILL $$').check(file)).toMatchObject({ isGood: false, end: 'ended by SIGKILL' });
});

test('processes that it leaves behind are ended, and are not waited for', async () => {
  const file = await fileWith('x');
  const check = script('sleep 600 & echo $! > "$1"; exit 0');
  expect(await check.check(file)).toMatchObject({ isGood: true });
  const pid = Number(await readFile(file, 'utf8'));
  await vi.waitFor(async () => {
    const state = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => 'gone');
    expect(state).toMatch(/^gone$|\) Z /);
  });
});

test('of a long output, the beginning is kept', async () => {
  const { output, isGood } = await script('yes | head -c 3000000').check(await fileWith('x'));
  expect(isGood).toBe(true);
  expect(output).toHaveLength(4000);
});

test('a program that cannot be started says nothing about the file', async () => {
  const check = new ContentCheck(['/nowhere/scanner', '{file}']);
  await expect(check.check(await fileWith('x'))).rejects.toMatchObject({
    kind: 'unavailable',
    message: expect.stringContaining('check (/nowhere/scanner): cannot be started'),
  });
});

test('no more files are checked at a time than there are places', async () => {
  const directory = await scratchDirectory();
  // Each run notes how many run: the directory has an entry for each.
  const text = `mkdir "$1"; ls ${directory} | wc -l; head -c 20000000 /dev/zero | sha256sum >&2; rmdir "$1"`;
  const check = script(text, { places: 2 });
  const files = Array.from({ length: 8 }, (_, number) => join(directory, `${number}`));
  const verdicts = await Promise.all(files.map(async (file) => await check.check(file)));
  const counts = verdicts.map(({ output }) => Number.parseInt(output, 10));
  expect(Math.max(...counts)).toBeLessThanOrEqual(2);
  expect(verdicts.every(({ isGood }) => isGood)).toBe(true);
});

test('it does not see the settings of Headwater, which may be credentials', async () => {
  vi.stubEnv('HEADWATER_S3_SECRET_KEY', 'secret');
  try {
    const { output } = await script('env').check(await fileWith('x'));
    expect(output).toContain('PATH=');
    expect(output).not.toContain('HEADWATER_');
  } finally {
    vi.unstubAllEnvs();
  }
});
