import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { headwater } from './command-line.ts';

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'headwater-usage-'));
});
afterAll(() => rm(directory, { recursive: true }));

const run = (line: string, env: Record<string, string> = {}) =>
  headwater(line === '' ? [] : line.split(' '), { cwd: directory, env });

describe('a wrong command line ends with 2 and one line with the reason', () => {
  test.each([
    ['lst', "unknown command 'lst' (Did you mean list?)"],
    ['list --bogus', 'unknown option \'--bogus\'; see "headwater list --help"'],
    ['show', "missing required argument 'ref'"],
    ['show a b', 'too many arguments'],
    ['token creat x', "unknown command 'creat'"],
    [
      'list distro=debian',
      'distro is not one of os, release, architecture, variant, stream, type, alias, serial',
    ],
    ['list --server nowhere', '--server nowhere: expected an address such as'],
    ['list --server http://a --data-dir b', '--server and --data-dir exclude each other'],
    ['list --token x', '--token needs a server'],
    ['serve --server http://a', '--server: "serve" works on this machine only'],
    ['config check --set listen.port', '--set listen.port: expected KEY=VALUE'],
    ['token create x --allow everything', '"everything" is not one of read, publish, remove, admin'],
    ['token create x --expires soon', '--expires soon: expected a duration'],
    ['publish f --requirement secureboot', 'expected key=value'],
  ])('%s', async (line, message) => {
    const { code, stdout, stderr } = await run(line);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^headwater: [^\n]*\n$/);
    expect(stderr).toContain(message);
  });

  test('a group without its command says that one is missing', async () => {
    const { code, stdout, stderr } = await run('token');
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('missing command');
  });
});

describe('other errors', () => {
  test.each([
    ['list', 4, 'no Headwater data in '],
    ['remove debian/bookworm', 4, 'no Headwater data in '],
    ['publish missing.tar.xz', 4, 'missing.tar.xz: no such file or directory'],
    ['list --config missing.yaml', 4, 'missing.yaml: no such file'],
    ['list --server http://127.0.0.1:1', 7, 'http://127.0.0.1:1: cannot be reached: connect ECONNREFUSED'],
    ['config check --set listen.port=x', 3, '--set listen.port: expected a whole number'],
    ['list arch=pdp11', 3, 'architecture "pdp11" is not known'],
  ])('%s ends with %d', async (line, expected, message) => {
    const { code, stdout, stderr } = await run(line);
    expect({ code, stdout }).toEqual({ code: expected, stdout: '' });
    expect(stderr).toMatch(/^headwater: [^\n]*\n$/);
    expect(stderr).toContain(message);
  });

  test('leave nothing behind where there was nothing', async () => {
    expect(await readdir(directory)).toEqual([]);
  });

  test('with --json come as an object too', async () => {
    const { code, stderr } = await run('list --json');
    const lines = stderr.trim().split('\n');
    expect(lines).toHaveLength(2);
    const { error } = JSON.parse(lines[1] ?? '') as { error: Record<string, unknown> };
    expect(error).toEqual({ kind: 'not-found', message: lines[0]?.replace('headwater: ', ''), exitCode: 4 });
    expect(code).toBe(4);
  });

  test('a flag overrides HEADWATER_SERVER', async () => {
    const env = { HEADWATER_SERVER: 'http://127.0.0.1:1' };
    expect((await run('list', env)).code).toBe(7);
    expect((await run('list --data-dir none', env)).code).toBe(4);
  });
});

describe('config check', () => {
  test('prints the effective configuration and its file', async () => {
    await writeFile(join(directory, 'headwater.yaml'), 'listen: {port: 1}\nlog: {level: warn}\n');
    const { code, stdout, stderr } = await run('config check --set log.level=debug', {
      HEADWATER_LISTEN_PORT: '2',
    });
    expect(code).toBe(0);
    expect(stderr).toBe('headwater.yaml is valid.\nThe documents are not signed.\n');
    expect(stdout).toContain('\n  port: 2\n');
    expect(stdout).toContain('\n  level: debug\n');
    const json = await run('config check --json');
    expect(JSON.parse(json.stdout)).toMatchObject({
      file: 'headwater.yaml',
      settings: { listen: { port: 1 }, gracePeriod: '6h' },
    });
  });

  test('lists all errors at once', async () => {
    await writeFile(join(directory, 'bad.yaml'), 'lisen: 1\nlog: {level: loud}\n');
    const { code, stdout, stderr } = await run('config check --config bad.yaml', { HEADWATER_NONSENSE: '1' });
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
    expect(stderr).toContain('headwater: the configuration has 3 errors:\n');
    expect(stderr).toContain('\n  bad.yaml:1: lisen: unknown setting\n');
    expect(stderr).toContain('\n  bad.yaml:2: log.level: expected one of trace, debug,');
    expect(stderr).toContain('  HEADWATER_NONSENSE: unknown setting');
  });

  test('checks the certificate', async () => {
    const flags = '--set tls.certificate=server.crt --set tls.key=server.key';
    const { code, stderr } = await run(`config check --config /dev/null ${flags}`);
    expect(code).toBe(4);
    expect(stderr).toContain(`${join(directory, 'server.crt')}: no such file`);
  });

  test('opens the keyring and the authorities of the mirrors that are enabled', async () => {
    const mirrors = join(directory, 'mirrors');
    await mkdir(mirrors);
    const definition = (text: string) => `{url: 'https://a', select: [{os: debian}], ${text}}\n`;
    await writeFile(join(mirrors, 'a.yaml'), definition('enabled: true, keyring: none.gpg'));
    await writeFile(join(mirrors, 'b.yaml'), definition('enabled: true, unsigned: true, ca: ca.pem'));
    await writeFile(join(mirrors, 'c.yaml'), definition('enabled: true, keyring: ca.pem'));
    await writeFile(join(mirrors, 'off.yaml'), definition('enabled: false, keyring: none.gpg'));
    await writeFile(join(mirrors, 'ca.pem'), 'not a certificate');
    const flags = `config check --config /dev/null --set mirrorDir=${mirrors}`;
    const { code, stdout, stderr } = await run(flags);
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
    expect(stderr).toContain('the configuration has 3 errors:\n');
    expect(stderr).toContain(`a.yaml: keyring ${mirrors}/none.gpg: no such file`);
    expect(stderr).toContain(`b.yaml: ca: ${mirrors}/ca.pem has no certificates in PEM\n`);
    expect(stderr).toContain(`c.yaml: keyring ${mirrors}/ca.pem: holds no OpenPGP public keys`);

    await rm(mirrors, { recursive: true });
    expect((await run(flags)).code).toBe(0);
  });

  test('reports missing keys of an S3 store', async () => {
    const store = '--set storage.type=s3 --set storage.endpoint=https://a --set storage.bucket=abc';
    const without = await run(`config check --config /dev/null ${store}`);
    expect(without.code).toBe(3);
    expect(without.stderr).toContain(
      'set HEADWATER_S3_ACCESS_KEY and HEADWATER_S3_SECRET_KEY in the environment',
    );
    const keys = { HEADWATER_S3_ACCESS_KEY: 'the-access', HEADWATER_S3_SECRET_KEY: 'the-secret' };
    const { code, stdout } = await run(`config check --config /dev/null ${store}`, keys);
    expect(code).toBe(0);
    expect(stdout).not.toMatch(/the-access|the-secret/);
  });
});
