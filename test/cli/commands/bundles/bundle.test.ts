import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, mkdir, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { attempt, run } from '../../../support/command.ts';
import { mountMemory } from '../../../support/mount.ts';
import { lacks, rootIsMissing } from '../../../support/needs.ts';
import { program } from '../../command-line.ts';
import { damage, mebibyte, useBundleSite, volumesOf } from './bundle-site.ts';

const { at, bundle, create, directory, manifestOf, publish } = useBundleSite();

test('the size is known to the byte before anything is written', async () => {
  await publish('large', 7 * mebibyte);
  const planned = await create('--dry-run', '--volume-size', '3MiB', '--json');
  expect(await readdir(at('out'))).toEqual([]);
  await create('--volume-size', '3MiB', 'out');
  const { sizes } = JSON.parse(planned) as { sizes: number[] };
  const names = [...(await volumesOf(at('out/vault-7-0001'))).keys()];
  const written = await Promise.all(
    names.map(async (name) => (await stat(at('out/vault-7-0001', name))).size),
  );
  expect(written).toEqual(sizes);
  expect(sizes.length).toBeGreaterThan(2);
  for (const size of sizes) expect(size).toBeLessThanOrEqual(3 * mebibyte);
});

test('gpgv, sha256sum and tar accept a bundle, with the commands of its README', async ({ skip }) => {
  skip(lacks('gpgv'), 'gpgv is missing');
  await create('out');
  const readme = await readFile(at('out/vault-7-0001/README.txt'), 'utf8');
  const commands = readme.match(/^ {2}(gpgv|sha256sum|tar) .*/gm) ?? [];
  expect(commands).toHaveLength(4);
  await cp(at('hq.gpg'), at('out/vault-7-0001/hq.gpg'));
  for (const command of commands) {
    const result = await attempt('sh', ['-c', command], { cwd: at('out/vault-7-0001') });
    expect(result, command).toMatchObject({ code: 0 });
  }
  const { code, stdout } = await bundle('verify', 'out/vault-7-0001', '--keyring', 'hq.gpg');
  expect(stdout).toContain('Every byte is right.');
  expect(code).toBe(0);
});

test('the next bundle carries what is new, and names what was sent before', async () => {
  await create('out');
  await publish('small', 90_000, '20260102_0000');
  await create('out');
  const [first, second] = [await manifestOf('vault-7-0001'), await manifestOf('vault-7-0002')];
  expect(second.previous).toBe(
    createHash('sha256')
      .update(await readFile(at('out/vault-7-0001/bundle.json')))
      .digest('hex'),
  );
  expect(second.versions.map(({ serial }) => serial)).toEqual(['20260101_0000', '20260102_0000']);
  const before = new Set(first.carried.map(({ digest }) => digest));
  expect(second.assumed.map(({ digest, sequence }) => [digest, sequence])).toEqual(
    [...before].map((digest) => [digest, 1]),
  );
  expect(second.carried.some(({ digest }) => before.has(digest))).toBe(false);
  expect(second.carried.length).toBeGreaterThan(0);
  const { stdout } = await bundle('list', '--json');
  expect(JSON.parse(stdout)).toMatchObject([
    { to: 'vault-7', sequence: 1 },
    { to: 'vault-7', sequence: 2 },
  ]);
  await create('--since', 'nothing', 'out');
  expect((await manifestOf('vault-7-0003')).assumed).toEqual([]);
});

test('a bundle is written once more with the same bytes, whole or one volume', async () => {
  await publish('large', 7 * mebibyte);
  await create('--volume-size', '3MiB', 'out');
  await mkdir(at('again'));
  await create('--again', '1', 'again');
  const volumes = await volumesOf(at('out/vault-7-0001'));
  expect(await volumesOf(at('again/vault-7-0001'))).toEqual(volumes);
  await mkdir(at('part'));
  await create('--again', '1', '--volume', '2', 'part');
  const [, second] = [...volumes];
  expect([...(await volumesOf(at('part/vault-7-0001')))]).toEqual([second]);
  // A volume that is replaced on the medium stands in SHA256SUMS with the others.
  await damage(at('out/vault-7-0001/vault-7-0001.0002.tar'), mebibyte);
  await create('--again', '1', '--volume', '2', 'out');
  expect(await volumesOf(at('out/vault-7-0001'))).toEqual(volumes);
  await run('sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd: at('out/vault-7-0001') });
  const sums = await readFile(at('out/vault-7-0001/SHA256SUMS'), 'utf8');
  for (const name of volumes.keys()) expect(sums).toContain(name);
  const missing = await bundle('create', '--to', 'vault-7', '--again', '9', 'part');
  expect(missing).toMatchObject({ code: 4, stderr: expect.stringContaining('no bundle 9 was written') });
});

test('a command that was killed continues, and writes the same bytes', async () => {
  await publish('large', 20 * mebibyte);
  const args = ['bundle', 'create', '--to', 'vault-7', '--volume-size', '3MiB'];
  for (const delay of [350, 450, 550, 700]) {
    const child = spawn(process.execPath, [program, ...args, 'out'], { cwd: directory(), stdio: 'ignore' });
    const ended = new Promise((resolve) => child.once('close', resolve));
    await Promise.race([sleep(delay), ended]);
    child.kill('SIGKILL');
    await ended;
    const names = (await readdir(at('out'), { recursive: true })).filter((name) =>
      name.endsWith('SHA256SUMS'),
    );
    if (names.length > 0) break;
  }
  const last = (await readdir(at('out'))).length;
  if (last === 0 || !(await readdir(at('out/vault-7-0001'))).includes('SHA256SUMS')) {
    await create('--volume-size', '3MiB', 'out');
  }
  const files = await readdir(at('out/vault-7-0001'));
  expect(files.filter((name) => name.endsWith('.partial'))).toEqual([]);
  await mkdir(at('again'));
  await create('--again', '1', 'again');
  expect(await volumesOf(at('again/vault-7-0001'))).toEqual(await volumesOf(at('out/vault-7-0001')));
  expect((await bundle('verify', 'out/vault-7-0001', '--keyring', 'hq.gpg')).code).toBe(0);
});

test('some volumes of a bundle that was interrupted do not count as the bundle', async () => {
  await publish('large', 7 * mebibyte);
  const blocked = at('blocked');
  await mkdir(join(blocked, 'vault-7-0001'), { recursive: true });
  await writeFile(join(blocked, 'vault-7-0001/notes.txt'), 'mine');
  const failed = await bundle('create', '--to', 'vault-7', '--volume-size', '3MiB', blocked);
  expect(failed.code).toBe(5);
  await create('--again', '1', '--volume', '1', 'out');
  const { stdout } = await bundle('list');
  expect(stdout).toContain('unfinished');
  await create('--again', '1', 'out');
  expect((await bundle('list')).stdout).not.toContain('unfinished');
});

test('a damaged and a missing volume are named, with the command that brings them', async () => {
  await publish('large', 7 * mebibyte);
  await create('--volume-size', '3MiB', 'out');
  const path = at('out/vault-7-0001');
  await damage(join(path, 'vault-7-0001.0002.tar'), 2 * mebibyte);
  await rm(join(path, 'vault-7-0001.0003.tar'));
  const { code, stdout, stderr } = await bundle('verify', path, '--keyring', 'hq.gpg');
  expect(code).toBe(3);
  expect(stdout).toContain('vault-7-0001.0002.tar: ');
  expect(stdout).toContain('vault-7-0001.0003.tar: it is missing');
  expect(stdout).toContain('  images/debian:large:amd64:default 20260101_0000');
  expect(stdout).not.toContain('debian:small');
  expect(stderr).toContain('headwater bundle create --to vault-7 --again 1 --volume 2 --volume 3 DIRECTORY');
});

test('a bundle that was not finished, changed, or signed by another key is refused', async () => {
  await create('out');
  const path = at('out/vault-7-0001');
  await rm(join(path, 'SHA256SUMS'));
  const unfinished = await bundle('verify', path, '--keyring', 'hq.gpg');
  expect(unfinished).toMatchObject({ code: 3, stdout: expect.stringContaining('it is written last') });
  await damage(join(path, 'bundle.json'), 5);
  const changed = await bundle('inspect', path, '--keyring', 'hq.gpg');
  expect(changed).toMatchObject({ code: 3, stderr: expect.stringContaining('changed after it was signed') });
  await damage(join(path, 'bundle.json'), 5);
  await run(process.execPath, [program, 'key', 'create', '--data-dir', 'other'], { cwd: directory() });
  await run('sh', ['-c', '"$0" "$1" key export --data-dir other > other.gpg', process.execPath, program], {
    cwd: directory(),
  });
  const stranger = await bundle('verify', path, '--keyring', 'other.gpg');
  expect(stranger).toMatchObject({ code: 3, stderr: expect.stringContaining('signed by another key') });
  const unchecked = await bundle('inspect', path);
  expect(unchecked).toMatchObject({ code: 2, stderr: expect.stringContaining('missing --keyring') });
  const shown = await bundle('inspect', path, '--keyring', 'hq.gpg');
  expect(shown.stdout).toMatch(/^from: +hq$/m);
});

test('a flipped byte in the store is not exported, and the blob is named', async () => {
  await create('out');
  const [root] = (await manifestOf('vault-7-0001')).carried.toSorted((one, other) => other.size - one.size);
  const digest = root?.digest.replace('sha256:', '') ?? '';
  const files = await readdir(at('data'), { recursive: true });
  const blob = files.find((name) => name.endsWith(digest)) ?? '';
  await damage(at('data', blob), 1000);
  const { code, stderr } = await bundle('create', '--to', 'vault-8', 'out');
  expect(code).toBe(3);
  expect(stderr).toContain(`blob sha256:${digest}: the store has other bytes`);
  expect((await readdir(at('out/vault-8-0001'))).filter((name) => name.endsWith('.tar'))).toEqual([]);
});

test('a process that was killed before it wrote the manifest is no obstacle', async () => {
  await mkdir(at('out/vault-7-0001'));
  await writeFile(at('out/vault-7-0001/bundle.json.partial'), '{');
  await create('out');
  expect((await bundle('verify', 'out/vault-7-0001', '--keyring', 'hq.gpg')).code).toBe(0);
});

test('a truncated volume is written again, and a directory with other files is refused', async () => {
  await create('out');
  await truncate(at('out/vault-7-0001/vault-7-0001.0001.tar'), 4096);
  await create('--again', '1', 'out');
  expect((await bundle('verify', 'out/vault-7-0001', '--keyring', 'hq.gpg')).code).toBe(0);
  await mkdir(at('out/vault-9-0001'));
  await writeFile(at('out/vault-9-0001/notes.txt'), 'mine');
  const { code, stderr } = await bundle('create', '--to', 'vault-9', 'out');
  expect(code).toBe(5);
  expect(stderr).toContain('contains another bundle or other files');
});

test('only selected versions and public streams travel', async () => {
  await writeFile(
    at('headwater.yaml'),
    'site: hq\nstreams: {images: {public: true}, secret: {public: false}}\n',
  );
  await run(
    process.execPath,
    [
      program,
      'publish',
      at('root.tar'),
      '--stream',
      'secret',
      '--release',
      'hidden',
      '--arch',
      'amd64',
      '--os',
      'debian',
    ],
    { cwd: directory() },
  );
  await publish('other', 50_000);
  await create('--select', 'release=oth*', 'out');
  expect((await manifestOf('vault-7-0001')).products.map(({ name }) => name)).toEqual([
    'debian:other:amd64:default',
  ]);
  await create('out');
  expect((await manifestOf('vault-7-0002')).products.map(({ stream }) => stream)).toEqual([
    'images',
    'images',
  ]);
  await create('--stream', 'secret', 'out');
  expect((await manifestOf('vault-7-0003')).products.map(({ stream }) => stream)).toEqual(['secret']);
  const none = await bundle('create', '--to', 'vault-7', '--select', 'os=nothing', 'out');
  expect(none).toMatchObject({ code: 4, stderr: expect.stringContaining('no version to carry') });
});

test.each([
  [['--to', 'Vault'], '--to Vault: use at most 32 lower-case letters'],
  [['--to', 'v', '--volume-size', '1MiB'], '--volume-size: a volume of this bundle needs at least'],
  [['--to', 'v', '--volume-size', 'floppy'], '--volume-size floppy: expected fat32, dvd, bd'],
  [['--to', 'v', '--volume', '2'], '--volume needs --again'],
  [['--to', 'v', '--since', 'x'], '--since x: expected the number of a bundle'],
])('%j is refused', async (args, message) => {
  const { code, stderr } = await bundle('create', ...args, 'out');
  expect(stderr).toContain(message);
  expect(code).toBe(2);
  expect(await readdir(at('out'))).toEqual([]);
});

test.skipIf(rootIsMissing())('a medium without room is refused before a volume is written', async () => {
  await publish('large', 9 * mebibyte);
  const medium = await mountMemory('8m');
  onTestFinished(() => medium.unmount());
  const { code, stderr } = await bundle('create', '--to', 'vault-7', '--volume-size', '3MiB', medium.path);
  expect(stderr).toMatch(/the bundle needs \d+ bytes more than are free/);
  expect(code).toBe(8);
  expect((await readdir(join(medium.path, 'vault-7-0001'))).filter((name) => name.endsWith('.tar'))).toEqual(
    [],
  );
});

test('without a signing key nothing is written', async () => {
  await rm(at('data/keys'), { recursive: true });
  const { code, stderr } = await bundle('create', '--to', 'vault-7', 'out');
  expect(code).toBe(4);
  expect(stderr).toContain('Create a key with "headwater key create"');
});
