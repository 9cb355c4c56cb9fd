import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { attempt, run } from '../../../support/command.ts';
import { lacks } from '../../../support/needs.ts';
import { headwater, program, RunningHeadwater } from '../../command-line.ts';

let directory: string;
const keyFile = () => join(directory, 'data/keys/signing.key');
const key = async (...args: string[]) => await headwater(['key', ...args], { cwd: directory });

interface Listed {
  fingerprint: string;
  role: string;
  algorithm: string;
  expiresAt?: string;
}

async function listed(): Promise<Listed[]> {
  const { stdout, stderr } = await key('list', '--json');
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout) as Listed[];
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'headwater-keys-'));
});
afterEach(() => rm(directory, { recursive: true }));

test('create makes a private key that list shows and that is never replaced', async () => {
  const { code, stdout, stderr } = await key('create', '--expires', '60d', '--name', 'Images');
  expect(code).toBe(0);
  expect(stderr).toContain('back up both');
  const fingerprint = stdout.trim();
  expect((await stat(keyFile())).mode & 0o777).toBe(0o600);
  expect((await readdir(join(directory, 'data/keys'))).sort()).toEqual([
    `${fingerprint}.revocation.asc`,
    'signing.key',
  ]);
  expect(await listed()).toMatchObject([
    { fingerprint, role: 'signing', algorithm: 'Ed25519', name: 'Images' },
  ]);
  const table = await key('list');
  expect(table.stdout).toContain(fingerprint);
  expect(table.stderr).toMatch(/expires on .*, in 60 days/);
  const again = await key('create');
  expect(again.code).toBe(5);
  expect(again.stderr).toContain('use "headwater key rotate"');
  const audit = await headwater(['audit', '--json'], { cwd: directory });
  expect(JSON.parse(audit.stdout)).toMatchObject([{ action: 'key.create', subject: fingerprint }]);
});

test('export prints what gpg reads, and advises where there is no key', async ({ skip }) => {
  const missing = await key('export');
  expect(missing.code).toBe(4);
  expect(missing.stderr).toContain('Create a key with "headwater key create"');
  await key('create', '--rsa');
  const armored = (await key('export', '--armor')).stdout;
  expect(armored).toMatch(/^-----BEGIN PGP PUBLIC KEY BLOCK-----/);
  expect(armored).not.toContain('PRIVATE');
  skip(lacks('gpg'), 'gnupg is missing');
  const binary = join(directory, 'headwater.gpg');
  await run('sh', ['-c', '"$0" "$1" key export > headwater.gpg', process.execPath, program], {
    cwd: directory,
  });
  const shown = await run('gpg', ['--homedir', directory, '--with-colons', '--show-keys', binary]);
  expect(shown).toMatch(/^pub:[^:]*:4096:1:/m);
  expect(shown).toContain((await listed())[0]?.fingerprint ?? 'none');
});

test('rotate makes a successor, --switch lets it sign, and retire forgets the old key', async () => {
  await key('create');
  const [first] = await listed();
  expect((await key('retire')).code).toBe(4);
  const rotated = await key('rotate', '--expires', '30d');
  expect(rotated.stdout).toMatch(/next, signs from \d{4}-\d\d-\d\d/);
  const [, next] = await listed();
  expect((await listed()).map(({ role }) => role)).toEqual(['signing', 'next']);
  const again = await key('rotate');
  expect(again.code).toBe(5);
  expect(again.stderr).toContain('--switch');
  const refused = await key('retire', first?.fingerprint ?? '');
  expect(refused.code).toBe(5);
  await key('rotate', '--switch');
  expect(await listed()).toMatchObject([
    { fingerprint: next?.fingerprint, role: 'signing' },
    { fingerprint: first?.fingerprint, role: 'previous' },
  ]);
  expect((await key('retire', first?.fingerprint.slice(-16) ?? '')).code).toBe(0);
  expect((await listed()).map(({ fingerprint }) => fingerprint)).toEqual([next?.fingerprint]);
  const audit = await headwater(['audit', '--json'], { cwd: directory });
  const actions = (JSON.parse(audit.stdout) as { action: string }[]).map(({ action }) => action);
  expect(actions).toEqual(['key.retire', 'key.switch', 'key.rotate', 'key.create']);
});

test('a passphrase protects the key, and its successor', async () => {
  const env = { HEADWATER_SIGNING_PASSPHRASE: 'correct horse' };
  const made = await headwater(['key', 'create', '--json'], { cwd: directory, env });
  expect(JSON.parse(made.stdout)).toMatchObject({ protected: true, path: keyFile() });
  expect((await key('rotate')).stderr).toContain('has a passphrase');
  expect((await headwater(['key', 'rotate'], { cwd: directory, env })).code).toBe(0);
  expect(await listed()).toHaveLength(2);
  const check = await headwater(['config', 'check'], { cwd: directory });
  expect(check.code).toBe(3);
  expect(check.stderr).toContain('has a passphrase');
  const good = await headwater(['config', 'check', '--json'], { cwd: directory, env });
  expect(JSON.parse(good.stdout)).toMatchObject({ signingKey: (await listed())[0]?.fingerprint });
});

test('a command that signs keeps its keys elsewhere', async () => {
  const env = {
    HEADWATER_SIGNING_COMMAND: '[sign]',
    HEADWATER_SIGNING_PUBLIC_KEY: join(directory, 'none.gpg'),
  };
  for (const words of [['create'], ['rotate'], ['retire']]) {
    const { code, stderr } = await headwater(['key', ...words], { cwd: directory, env });
    expect(code).toBe(5);
    expect(stderr).toContain('signing.command is set');
  }
});

describe('a server', () => {
  const serve = (...set: string[]) =>
    new RunningHeadwater(
      ['serve', ...['listen.port=0', 'log.format=json', ...set].flatMap((each) => ['--set', each])],
      { cwd: directory },
    );

  test('names the key at its start, and publishes a successor without a restart', async ({ skip }) => {
    skip(lacks('curl'), 'curl is missing');
    await key('create');
    const [first] = await listed();
    const server = serve();
    onTestFinished(async () => void (await server.end('SIGKILL')));
    await server.until(() => server.stdout.includes('/keys/headwater.gpg'));
    expect(server.stdout).toContain(`The OpenPGP key ${first?.fingerprint} signs the documents`);
    let listening: RegExpExecArray | null = null;
    await server.until(() => {
      const said = `${server.stdout}${server.stderr}`;
      listening = /"port":(\d+)[^\n]*"signingKey":"(\w+)"/.exec(said);
      return listening !== null;
    });
    expect(listening?.[2]).toBe(first?.fingerprint);
    const published = async () =>
      await attempt('curl', ['-sk', `https://127.0.0.1:${listening?.[1]}/keys/headwater.asc`]);
    const before = (await published()).stdout;
    await key('rotate');
    const both = (await key('export', '--armor')).stdout.trim();
    await server.until(async () => (await published()).stdout.trim() === both);
    expect(both).not.toBe(before.trim());
    expect(await server.end('SIGTERM')).toBe(0);
  });

  test('does not start without its key, and says so', async () => {
    const { code, stderr } = await headwater(['serve', '--set', `signing.key=${keyFile()}`], {
      cwd: directory,
    });
    expect(code).toBe(4);
    expect(stderr).toContain(`signing key ${keyFile()}: no such file`);
    expect(stderr).toContain('signing.optional');
    expect(await readdir(directory)).toEqual([]);
  });

  test('does not start with a file that is no key', async () => {
    const path = join(directory, 'signing.key');
    await writeFile(path, 'no key');
    const { code, stderr } = await headwater(['serve', '--set', `signing.key=${path}`], { cwd: directory });
    expect(code).toBe(3);
    expect(stderr).toContain('contains no OpenPGP private key');
  });
});
