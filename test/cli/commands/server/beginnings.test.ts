import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { exitCodeOf } from '../../../../src/cli/exit-codes.ts';
import { HeadwaterError } from '../../../../src/errors.ts';
import { TestServer } from '../../../support/server.ts';
import { headwater, RunningHeadwater } from '../../command-line.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'headwater-beginnings-'));
});
afterEach(() => rm(directory, { recursive: true }));

describe('help', () => {
  test('of a command below another is the one that --help prints', async () => {
    const { code, stdout } = await headwater(['help', 'token', 'create']);
    expect(code).toBe(0);
    expect(stdout).toBe((await headwater(['token', 'create', '--help'])).stdout);
    expect(stdout).toContain('--name-pattern');
  });

  test.each([[], ['help']])('the command line %j lists the commands and succeeds', async (...words) => {
    const { code, stdout, stderr } = await headwater(words);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('publish a version');
  });

  test('of an unknown command suggests another', async () => {
    const { code, stderr } = await headwater(['help', 'token', 'craete']);
    expect(code).toBe(2);
    expect(stderr).toContain('did you mean create?');
  });
});

test('SIGHUP does not end a server, and is logged', async () => {
  const server = new RunningHeadwater(
    ['serve', '--json', '--set', 'listen.port=0', '--set', 'log.format=json'],
    { cwd: directory },
  );
  await server.until(() => server.stdout.includes('"port"'));
  server.signal('SIGHUP');
  await server.until(() => `${server.stdout}${server.stderr}`.includes('SIGHUP is ignored'));
  expect(await server.end('SIGTERM')).toBe(0);
});

describe('a wrong configuration leaves no data directory', () => {
  const certificate = {
    HEADWATER_TLS_CERTIFICATE: '/none/server.crt',
    HEADWATER_TLS_KEY: '/none/server.key',
  };
  const bucket = {
    HEADWATER_STORAGE_TYPE: 's3',
    HEADWATER_STORAGE_ENDPOINT: 'http://127.0.0.1:1',
    HEADWATER_STORAGE_BUCKET: 'images',
  };
  test.each([
    ['serve', 'a certificate that is missing', certificate, ['serve', '--set', 'listen.port=0']],
    ['token create --join', 'a certificate that is missing', certificate, ['token', 'create', 'x', '--join']],
    ['serve', 'a bucket without keys', bucket, ['serve', '--set', 'listen.port=0']],
  ])('%s with %s', async (_, __, env, words) => {
    const { code, stderr } = await headwater(words, { cwd: directory, env });
    expect([3, 4]).toContain(code);
    expect(stderr).toMatch(/none|keys are missing/);
    expect(existsSync(join(directory, 'data'))).toBe(false);
  });
});

describe('a mistyped setting gets a suggestion', () => {
  test.each([
    ['--set', ['config', 'check', '--set', 'listen.prt=1'], {}, 'did you mean listen.port?'],
    [
      'the environment',
      ['config', 'check'],
      { HEADWATER_LISTEN_PRT: '1' },
      'did you mean HEADWATER_LISTEN_PORT?',
    ],
  ])('in %s', async (_, words, env, advice) => {
    const { code, stderr } = await headwater(words, { cwd: directory, env });
    expect(code).toBe(3);
    expect(stderr).toContain(advice);
  });

  test('in the file', async () => {
    await writeFile(join(directory, 'headwater.yaml'), 'grcePeriod: 1h\n');
    const { stderr } = await headwater(['config', 'check'], { cwd: directory });
    expect(stderr).toContain('headwater.yaml:1: grcePeriod: unknown setting; did you mean gracePeriod?');
  });
});

describe('the exit code', () => {
  test.each(['EACCES', 'EROFS', 'SQLITE_READONLY', 'CERT_HAS_EXPIRED', 'AccessDenied'])(
    'is 3 for %s, which no later try mends',
    (code) => {
      const cause = Object.assign(new Error(code), { code });
      expect(exitCodeOf(new HeadwaterError('unavailable', 'x', { cause }))).toBe(3);
      const wrapped = new HeadwaterError('unavailable', 'y', { cause: new AggregateError([cause]) });
      expect(exitCodeOf(wrapped)).toBe(3);
    },
  );

  test.each(['ECONNREFUSED', 'SQLITE_BUSY', 'EIO', undefined])('is 7 for %s', (code) => {
    const cause = Object.assign(new Error('x'), { code });
    expect(exitCodeOf(new HeadwaterError('unavailable', 'x', { cause }))).toBe(7);
  });

  test('is 3 for an untrusted certificate, with advice', async () => {
    const server = await TestServer.start();
    const { code, stderr } = await headwater(['list', '--server', server.url('')]);
    expect(code).toBe(3);
    expect(stderr).toContain('--ca FILE');
  });
});
