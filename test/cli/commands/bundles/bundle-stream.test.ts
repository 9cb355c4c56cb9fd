import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { attempt, type CommandResult, run } from '../../../support/command.ts';
import { mountMemory } from '../../../support/mount.ts';
import { rootIsMissing } from '../../../support/needs.ts';
import { program } from '../../command-line.ts';
import { mebibyte, useBundleSite } from './bundle-site.ts';

const { at, bundle, create, directory, publish } = useBundleSite();

/** Runs a pipe of the shell, in which `headwater` is the program. @returns the exit code of its last command */
async function shell(script: string): Promise<CommandResult> {
  const start = 'headwater() { "$NODE" "$PROGRAM" "$@"; }\n';
  return await attempt('sh', ['-c', start + script], {
    cwd: directory(),
    env: { NODE: process.execPath, PROGRAM: program },
  });
}

async function states(): Promise<string[]> {
  const { stdout } = await bundle('list', '--json');
  const listed = JSON.parse(stdout) as { finishedAt?: string }[];
  return listed.map(({ finishedAt }) => (finishedAt === undefined ? 'unfinished' : 'sent'));
}

test('a stream is a tar archive with the size that was announced, and verify and inspect read it', async () => {
  await publish('large', 5 * mebibyte);
  const planned = await create('--dry-run', '--json', '-');
  const { sizes } = JSON.parse(planned) as { sizes: number[] };
  const made = await shell('headwater bundle create --to vault-7 - > stream.tar');
  expect(made).toMatchObject({ code: 0, stdout: '', stderr: expect.stringContaining('2 versions; ') });
  expect([(await stat(at('stream.tar'))).size]).toEqual(sizes);
  const members = (await run('tar', ['-tf', at('stream.tar')])).trim().split('\n');
  expect(members.slice(0, 2)).toEqual(['bundle.json.gz', 'bundle.json.asc']);
  expect(members.at(-1)).toBe('end.json');
  const verified = await shell('headwater bundle verify - --keyring hq.gpg < stream.tar');
  expect(verified).toMatchObject({ code: 0, stdout: expect.stringContaining('Every byte is right.') });
  const inspected = await shell('headwater bundle inspect - --keyring hq.gpg < stream.tar');
  expect(inspected).toMatchObject({ code: 0, stdout: expect.stringMatching(/^versions: +2$/m) });
  expect(await states()).toEqual(['sent']);
});

test('a pipe carries a stream', async () => {
  const listed = await shell('headwater bundle create --to vault-7 - | tar -t');
  expect(listed).toMatchObject({ code: 0, stdout: expect.stringMatching(/^bundle.json.gz\n/) });
  await publish('small', 50_000, '20260102_0000');
  const piped = await shell(
    'headwater bundle create --to vault-7 - | headwater bundle verify - --keyring hq.gpg',
  );
  expect(piped).toMatchObject({ code: 0, stdout: expect.stringMatching(/^number: +2$/m) });
  const { stdout } = await bundle('list', '--json');
  expect(JSON.parse(stdout)).toHaveLength(2);
});

test('a stream that was cut, or whose signature is wrong, is refused', async () => {
  await shell('headwater bundle create --to vault-7 - > stream.tar');
  const cut = await shell('head -c -1500 stream.tar | headwater bundle verify - --keyring hq.gpg');
  expect(cut).toMatchObject({ code: 3, stdout: expect.stringContaining('it was cut') });
  await shell('headwater key create --data-dir other && headwater key export --data-dir other > other.gpg');
  for (const command of ['verify', 'inspect']) {
    const other = await shell(`headwater bundle ${command} - --keyring other.gpg < stream.tar`);
    expect(other).toMatchObject({ code: 3, stderr: expect.stringContaining('standard input: ') });
    const none = await shell(`headwater bundle ${command} - --keyring hq.gpg < headwater.yaml`);
    expect(none).toMatchObject({ code: 3, stderr: expect.stringContaining('standard input: is no bundle') });
  }
});

test('a reader that ends early leaves a bundle that does not count, and the same command writes it', async () => {
  await publish('large', 5 * mebibyte);
  const broken = await shell(
    '{ headwater bundle create --to vault-7 -; echo "exit $?" >&2; } | head -c 10000',
  );
  expect(broken.stderr).toContain(
    'the program that reads standard output ended before all bytes were written',
  );
  expect(broken.stderr).toContain('exit 7');
  expect(await states()).toEqual(['unfinished']);
  const again = await shell('headwater bundle create --to vault-7 - | headwater bundle verify - --unsigned');
  expect(again.code).toBe(0);
  expect(await states()).toEqual(['sent']);
});

test.skipIf(rootIsMissing())('a stream into a file on a full disk does not count', async () => {
  await publish('large', 5 * mebibyte);
  const medium = await mountMemory('2m');
  onTestFinished(() => medium.unmount());
  const full = await shell(`headwater bundle create --to vault-7 - > ${join(medium.path, 'stream.tar')}`);
  expect(full).toMatchObject({
    code: 8,
    stderr: expect.stringContaining('standard output: the disk is full'),
  });
  expect(await states()).toEqual(['unfinished']);
});

test('a bundle in volumes is sent once more as a stream, and a stream as a volume', async () => {
  await publish('large', 7 * mebibyte);
  await create('--volume-size', '3MiB', 'out');
  const stream = await shell(
    'headwater bundle create --to vault-7 --again 1 - | headwater bundle verify - --keyring hq.gpg',
  );
  expect(stream).toMatchObject({ code: 0, stdout: expect.stringContaining('Every byte is right.') });
  await publish('small', 50_000, '20260102_0000');
  await shell('headwater bundle create --to vault-7 - > first.tar');
  await shell('headwater bundle create --to vault-7 --again 2 - > second.tar');
  expect((await readFile(at('first.tar'))).equals(await readFile(at('second.tar')))).toBe(true);
  await create('--again', '2', 'out');
  expect((await bundle('verify', 'out/vault-7-0002', '--keyring', 'hq.gpg')).code).toBe(0);
});

test.each([
  [['--volume-size', 'dvd'], '--volume-size: a stream has no volumes'],
  [['--again', '1', '--volume', '1'], '--volume: a stream has no volumes'],
  [['--json'], '--json: standard output is the stream'],
])('a stream with %j is refused', async (args, message) => {
  const result = await bundle('create', '--to', 'vault-7', ...args, '-');
  expect(result).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(message) });
});

test('a store with wrong bytes ends the stream without its mark', async () => {
  await writeFile(at('headwater.yaml'), 'site: hq\n');
  await shell(
    'blob=$(find data/blobs -type f -size +50k | head -n 1); chmod u+w "$blob"; printf x | dd of="$blob" bs=1 seek=900 conv=notrunc status=none',
  );
  const { code, stderr } = await shell('headwater bundle create --to vault-7 - > stream.tar');
  expect(stderr).toContain('the store has other bytes');
  expect(code).toBe(3);
  expect(await run('sh', ['-c', 'tar -tf "$0" || true', at('stream.tar')])).not.toContain('end.json');
  expect(await states()).toEqual(['unfinished']);
});
