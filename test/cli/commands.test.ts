import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Catalog } from '../../src/catalog/catalog.ts';
import type { VersionView } from '../../src/cli/view/version-view.ts';
import { draft, sha256, stored, testActor } from '../support/catalog.ts';
import { headwater } from './command-line.ts';

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'headwater-commands-'));
  const catalog = (await Catalog.open(join(directory, 'catalog.db'))).by(testActor);
  const details = {
    osTitle: 'Debian',
    releaseTitle: '12',
    supportEol: '2028-06-30',
    requirements: { secureboot: 'false' },
  };
  for (const serial of ['20260101_0000', '20260201_0000']) {
    await catalog.versions.publish(draft({ serial, details, implied: ['debian/bookworm'] }), stored);
  }
  await catalog.versions.publish(
    draft({ os: 'alpine', architecture: 'arm64', implied: ['alpine/bookworm'] }),
    stored,
  );
  await catalog.close();
});
afterAll(() => rm(directory, { recursive: true }));

async function run(...args: string[]) {
  return await headwater([...args, '--data-dir', directory]);
}

async function succeed(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(...args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

async function json<Value>(...args: string[]): Promise<Value> {
  return JSON.parse(await succeed(...args, '--json')) as Value;
}

const debian = { os: 'debian', release: 'bookworm', architecture: 'amd64', variant: 'default' };
const digestOf = (what: string, serial: string) => sha256(`${JSON.stringify([debian, serial])} ${what}`);

describe('list', () => {
  test('is a table, a line for each image of the newest versions', async () => {
    const fingerprint = digestOf('both', '20260201_0000').slice(0, 12);
    const lines = (await succeed('list')).split('\n');
    expect(lines).toHaveLength(4);
    expect(lines[0]).toMatch(/^PRODUCT +SERIAL +STREAM +TYPE +ROOT +SIZE +FINGERPRINT$/);
    expect(lines[1]).toMatch(/^alpine:bookworm:arm64:default +20260101_0000 +images +container /);
    expect(lines[2]).toBe(
      `debian:bookworm:amd64:default  20260201_0000  images  container  rootfs.squashfs  4.7 KiB  ${fingerprint}`,
    );
  });

  test('with --json is an array with all details', async () => {
    const versions = await json<VersionView[]>('list', 'os=debian', '--all-versions');
    expect(versions.map(({ serial, newest }) => ({ serial, newest }))).toEqual([
      { serial: '20260101_0000', newest: false },
      { serial: '20260201_0000', newest: true },
    ]);
    expect(versions[1]).toEqual({
      product: 'debian:bookworm:amd64:default',
      serial: '20260201_0000',
      ...debian,
      stream: 'images',
      owner: 'local',
      osTitle: 'Debian',
      releaseTitle: '12',
      label: 'release',
      supportEol: '2028-06-30',
      requirements: { secureboot: 'false' },
      aliases: ['debian/bookworm'],
      newest: true,
      publishedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      images: [
        {
          type: 'container',
          file: 'rootfs.squashfs',
          fingerprint: digestOf('both', '20260201_0000'),
          size: 4796,
        },
      ],
      files: [
        { name: 'lxd.tar.xz', type: 'metadata', sha256: digestOf('metadata', '20260201_0000'), size: 700 },
        { name: 'rootfs.squashfs', type: 'squashfs', sha256: digestOf('root', '20260201_0000'), size: 4096 },
      ],
    });
  });

  test('without results prints a note on standard error', async () => {
    const { code, stdout, stderr } = await run('list', 'os=plan9');
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '', stderr: 'No version matches.\n' });
    expect(await json('list', 'os=plan9')).toEqual([]);
  });
});

describe('show', () => {
  test('shows the newest version of an alias', async () => {
    const text = await succeed('show', 'debian/bookworm');
    expect(text).toMatch(/^product: +debian:bookworm:amd64:default\nserial: +20260201_0000 \(newest\)\n/);
    expect(text).toMatch(/\nother versions: +20260101_0000\n/);
    expect(text).toContain(digestOf('both', '20260201_0000'));
    expect(text).toContain(digestOf('metadata', '20260201_0000'));
  });

  test('shows the version of a fingerprint', async () => {
    const [version, ...others] = await json<VersionView[]>(
      'show',
      digestOf('both', '20260101_0000').slice(0, 8),
    );
    expect(others).toEqual([]);
    expect(version?.serial).toBe('20260101_0000');
  });

  test('of an unknown reference ends with 4', async () => {
    expect((await run('show', 'debian/trixie')).code).toBe(4);
  });
});

describe('alias', () => {
  test('set, list, unset', async () => {
    expect(await succeed('alias', 'set', 'stable', 'debian:bookworm:default')).toBe(
      'stable points to debian:bookworm:*:default\n',
    );
    expect(await json('alias', 'set', 'team/base', 'stable')).toEqual({
      alias: 'team/base',
      stream: 'images',
      os: 'debian',
      release: 'bookworm',
      variant: 'default',
    });
    const lines = (await succeed('alias', 'list')).split('\n');
    expect(lines[0]).toMatch(/^ALIAS +STREAM +PRODUCT +ARCHITECTURES$/);
    expect(lines).toContain('stable           images  debian:bookworm:*:default  amd64');
    expect(await succeed('alias', 'set', 'stable', 'alpine:bookworm:arm64:default')).toContain(
      'alpine:bookworm:*',
    );
    expect(await json<object[]>('alias', 'list')).toContainEqual(
      expect.objectContaining({
        name: 'stable',
        stream: 'images',
        os: 'alpine',
        release: 'bookworm',
        variant: 'default',
        products: ['alpine:bookworm:arm64:default'],
      }),
    );
    await succeed('alias', 'unset', 'stable');
    expect((await run('alias', 'unset', 'stable')).code).toBe(4);
  });

  test.each([
    ['a,b', 'debian:bookworm:default', 3, 'alias "a,b"'],
    ['x', 'debian:trixie:default', 4, 'there is no product debian:trixie:*:default'],
    ['x', 'nothing', 4, 'no alias or product "nothing"'],
  ])('set %s %s ends with %d', async (name, product, expected, message) => {
    const { code, stderr } = await run('alias', 'set', name, product);
    expect(code).toBe(expected);
    expect(stderr).toContain(message);
  });
});

describe('token', () => {
  test('create prints the secret and nothing else on standard output', async () => {
    const { code, stdout, stderr } = await run(
      'token',
      'create',
      'ci',
      '--allow',
      'publish',
      '--stream',
      'nightly',
      '--create-stream',
      '--expires',
      '30d',
    );
    expect(code).toBe(0);
    expect(stdout).toMatch(/^hw_[\w-]{43}\n$/);
    expect(stderr).toMatch(
      /^token [0-9a-f]{12} \(ci\) allows publish in nightly until \d{4}-\d\d-\d\d \d\d:\d\d UTC\n$/,
    );
    expect((await run('token', 'create', 'ci')).code).toBe(5);
  });

  test('list shows everything but the secret, revoke ends the token', async () => {
    const created = await json<Record<string, unknown>>('token', 'create', 'machine');
    expect(created).toMatchObject({
      name: 'machine',
      actions: ['read', 'publish'],
      token: expect.stringMatching(/^hw_/),
    });
    const { token, ...rest } = created;
    expect(await json<object[]>('token', 'list')).toContainEqual(rest);
    expect(await succeed('token', 'list')).not.toContain(String(token));
    await succeed('token', 'revoke', 'machine');
    expect((await succeed('token', 'list')).split('\n').find((line) => line.includes('machine'))).toContain(
      'revoked',
    );
    expect((await run('token', 'revoke', 'machine')).code).toBe(4);
  });
});

describe('remove', () => {
  test('removes nothing when a reference names several versions, and lists them', async () => {
    const { code, stderr } = await run('remove', 'debian/bookworm');
    expect(code).toBe(5);
    expect(stderr).toBe(
      'headwater: debian/bookworm names 2 versions: use one of these names, or --all-versions to remove all\n' +
        '  debian:bookworm:amd64:default@20260101_0000\n  debian:bookworm:amd64:default@20260201_0000\n',
    );
    expect(await json<object[]>('list', 'os=debian', '--all-versions')).toHaveLength(2);
  });

  test('removes one version by name, then all', async () => {
    expect(await succeed('remove', 'debian/bookworm@20260201_0000')).toBe(
      'debian:bookworm:amd64:default@20260201_0000 removed\n',
    );
    expect(await json<VersionView[]>('list', 'os=debian')).toMatchObject([
      { serial: '20260101_0000', newest: true },
    ]);
    expect(await json('remove', 'debian/bookworm', '--all-versions')).toEqual({
      removed: [{ stream: 'images', product: 'debian:bookworm:amd64:default', serial: '20260101_0000' }],
    });
    expect((await run('show', 'debian/bookworm')).code).toBe(4);
  });
});
