import { spawn } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { attempt, run } from '../../../support/command.ts';
import { lacks, rootIsMissing } from '../../../support/needs.ts';
import { headwater, program } from '../../command-line.ts';
import { damage, mebibyte, useBundleSite } from './bundle-site.ts';

const { directory, at, bundle, create, publish } = useBundleSite();

/** The data directory of the site that imports. */
const inside = ['--config', 'inside.yaml'];

/** Defines the sending site at the site that imports. */
async function define(text = 'site: hq\nkeyring: ../hq.gpg\n'): Promise<void> {
  await writeFile(at('inside.yaml'), 'dataDir: inside\nmirrorDir: inside-mirrors\n');
  await mkdir(at('inside-mirrors'), { recursive: true });
  await writeFile(at('inside-mirrors/hq.yaml'), text);
}

const importFrom = async (path: string, ...flags: string[]) =>
  await bundle('import', 'hq', path, ...flags, ...inside);

/** What the site that imports has. */
async function listed(): Promise<string> {
  return (await headwater(['list', '--json', ...inside], { cwd: directory() })).stdout;
}

test('a bundle is planned, imported and shown, and the audit log names the operator', async () => {
  await publish('large', 3 * mebibyte);
  await create('out');
  await define();
  const planned = await bundle('plan', 'hq', 'out/vault-7-0001', ...inside);
  expect(planned).toMatchObject({ code: 0, stderr: '' });
  expect(planned.stdout).toMatch(/^vault-7-0001: bundle 1 of hq, created /m);
  expect(planned.stdout).toContain('ADD  images/debian:large:amd64:default 20260101_0000');
  expect(planned.stdout).toMatch(/^adds 2, retires 0, needs 3\.\d MiB, .* free$/m);
  expect(await headwater(['list', ...inside], { cwd: directory() })).toMatchObject({ stdout: '' });
  const imported = await importFrom('out/vault-7-0001');
  expect(imported).toMatchObject({ code: 0, stderr: '' });
  expect(imported.stdout).toMatch(/^hq: bundle 1: 2 versions added, 0 kept, 0 retired; 3\.\d MiB stored in /);
  const show = await headwater(['show', 'debian/large', '--json', ...inside], { cwd: directory() });
  expect(show.stdout).toContain('mirror:hq');
  const audit = await headwater(['audit', '--json', ...inside], { cwd: directory() });
  expect(audit.stdout).toContain('bundle.import');
  const again = await importFrom('out/vault-7-0001');
  expect(again).toMatchObject({ code: 0, stdout: 'hq: bundle 1 was imported before: nothing changed\n' });
  const status = await headwater(['mirror', 'status', 'hq', '--json', ...inside], { cwd: directory() });
  expect(JSON.parse(status.stdout)).toMatchObject([
    {
      site: 'hq',
      mode: 'bundles',
      signed: true,
      bundle: { to: 'vault-7', sequence: 1 },
      waiting: { versions: 0 },
    },
  ]);
});

test('a run of a mirror that takes bundles names the command that imports one', async () => {
  await define();
  for (const verb of ['run', 'plan']) {
    const { code, stderr } = await headwater(['mirror', verb, 'hq', ...inside], { cwd: directory() });
    expect(stderr).toContain('Run "headwater bundle import hq DIRECTORY"');
    expect(code).toBe(5);
  }
  const listedMirrors = await headwater(['mirror', 'list', ...inside], { cwd: directory() });
  expect(listedMirrors.stdout).toContain('site hq');
});

test('after damage the exit code is 7, and the printed command brings the rest', async () => {
  await publish('large', 7 * mebibyte);
  await create('--volume-size', '3MiB', 'out');
  await define();
  await damage(at('out/vault-7-0001/vault-7-0001.0001.tar'), 2 * mebibyte);
  const { code, stdout, stderr } = await importFrom('out/vault-7-0001');
  expect(stderr).toMatch(/vault-7-0001\.000\d\.tar: blob sha256:\w+ is damaged/);
  expect(stderr).toContain('mirror hq is incomplete: 1 version lacks files');
  expect(code).toBe(7);
  const request = /^ {2}headwater (bundle create .*) OUTPUT$/m.exec(stdout)?.[1] ?? '';
  expect(request).toMatch(/^bundle create --to vault-7 --again 1 --volume 1/);
  const waiting = await headwater(['mirror', 'status', 'hq', ...inside], { cwd: directory() });
  expect(waiting.stderr).toContain('mirror hq: 1 version waiting for 1 file (');
  await mkdir(at('again'));
  await run(process.execPath, [program, ...request.split(' '), 'again'], { cwd: directory() });
  expect(await importFrom('again/vault-7-0001')).toMatchObject({ code: 0 });
  expect(JSON.parse(await listed())).toHaveLength(2);
});

test('an import that was killed at any moment is done by the same command', async () => {
  for (const number of [1, 2, 3]) await publish(`r${number}`, 4 * mebibyte);
  await create('--volume-size', '3MiB', 'out');
  await define();
  const args = ['bundle', 'import', 'hq', 'out/vault-7-0001', ...inside];
  for (const delay of [300, 400, 500, 600, 700, 900]) {
    const child = spawn(process.execPath, [program, ...args], { cwd: directory(), stdio: 'ignore' });
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
    await Promise.race([sleep(delay), ended]);
    child.kill('SIGKILL');
    await ended;
    // No version is there in part.
    const check = await headwater(['verify', '--read', ...inside], { cwd: directory() });
    if (check.code !== 4) expect(check).toMatchObject({ code: 0 });
  }
  expect(await importFrom('out/vault-7-0001')).toMatchObject({ code: 0 });
  const interrupted = await listed();
  await rm(at('inside'), { recursive: true });
  await importFrom('out/vault-7-0001');
  const plain = (text: string) => text.replaceAll(/"publishedAt":\s*"[^"]*"/g, '');
  expect(plain(interrupted)).toBe(plain(await listed()));
});

test('a stream is imported from standard input, from a directory that may not be written', async () => {
  const script = '"$0" "$1" bundle create --to vault-7 - | "$0" "$1" bundle import hq - --config inside.yaml';
  await define();
  const piped = await attempt('sh', ['-c', script, process.execPath, program], { cwd: directory() });
  expect(piped.stdout).toContain('1 version added');
  expect(piped.code).toBe(0);
  await create('--since', 'nothing', 'out');
  const [name = ''] = await readdir(at('out'));
  await chmod(at('out', name), 0o555);
  await rm(at('inside'), { recursive: true });
  const imported = await importFrom(`out/${name}`);
  await chmod(at('out', name), 0o755);
  expect(imported).toMatchObject({ code: 0 });
});

test('refusals have the exit code of their kind, and change nothing', async () => {
  await create('out');
  await run(process.execPath, [program, 'key', 'create', '--data-dir', 'other'], { cwd: directory() });
  await run('sh', ['-c', '"$0" "$1" key export --data-dir other > other.gpg', process.execPath, program], {
    cwd: directory(),
  });
  await define('site: hq\nkeyring: ../other.gpg\n');
  expect(await importFrom('out/vault-7-0001')).toMatchObject({
    code: 3,
    stderr: expect.stringContaining('signed by another key'),
  });
  await define('site: lab\nkeyring: ../hq.gpg\n');
  expect(await importFrom('out/vault-7-0001')).toMatchObject({
    code: 5,
    stderr: expect.stringContaining('expects bundles from lab'),
  });
  await define('site: hq\nenabled: false\nkeyring: ../hq.gpg\n');
  expect(await importFrom('out/vault-7-0001')).toMatchObject({
    code: 5,
    stderr: expect.stringContaining('is not enabled'),
  });
  await define('url: https://images.example.com\nunsigned: true\n');
  expect(await importFrom('out/vault-7-0001')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('only mirrors with "site"'),
  });
  await define('site: hq\n');
  expect(await importFrom('out/vault-7-0001')).toMatchObject({
    code: 3,
    stderr: expect.stringContaining('hq.yaml: keyring'),
  });
  await define();
  expect(await importFrom('out/nothing')).toMatchObject({ code: 4 });
  expect(await listed()).toBe('[]\n');
});

test.skipIf(lacks('strace') || rootIsMissing())('an import asks no network, and needs none', async () => {
  await create('out');
  await define();
  const args = ['-f', '-e', 'trace=socket', '-o', at('trace'), 'unshare', '--net', process.execPath, program];
  const traced = await attempt('strace', [...args, 'bundle', 'import', 'hq', 'out/vault-7-0001', ...inside], {
    cwd: directory(),
  });
  expect(traced).toMatchObject({ code: 0, stdout: expect.stringContaining('1 version added') });
  const sockets = (await readFile(at('trace'), 'utf8'))
    .split('\n')
    .filter((line) => line.includes('socket('));
  expect(sockets.filter((line) => !line.includes('AF_UNIX'))).toEqual([]);
});
