import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { lxcMetadata, lxcMetadataFiles } from '../../../src/publish/generated/lxc-metadata.ts';
import { scratchDirectory } from '../../support/catalog.ts';
import { run } from '../../support/command.ts';
import { lacks } from '../../support/needs.ts';
import { rootTarball } from '../../support/root-tarballs.ts';

const product = { os: 'debian', release: 'bookworm', architecture: 'amd64', variant: 'default' };
const publishedAt = new Date('2026-02-01T12:00:00Z');
const subject = { product, serial: '20260131_0524', publishedAt };

test('the configuration includes what every LXC has, and names the architecture of the kernel', () => {
  const files = lxcMetadataFiles(subject);
  expect(files['config']).toBe('lxc.include = LXC_TEMPLATE_CONFIG/common.conf\nlxc.arch = x86_64\n');
  expect(files['config-user']).toBe(
    'lxc.include = LXC_TEMPLATE_CONFIG/common.conf\nlxc.include = LXC_TEMPLATE_CONFIG/userns.conf\nlxc.arch = x86_64\n',
  );
  const arm = lxcMetadataFiles({ ...subject, product: { ...product, architecture: 'arm64' } });
  expect(arm['config']).toContain('lxc.arch = aarch64\n');
});

test('the expiry is in the past, so that the template looks for a newer version each time', () => {
  expect(lxcMetadataFiles(subject)['expiry']).toBe(`${Date.parse('2026-01-31T05:24:00Z') / 1000}\n`);
  const early = lxcMetadataFiles({ ...subject, serial: '20990101_0000' });
  expect(early['expiry']).toBe(`${publishedAt.getTime() / 1000}\n`);
});

test('the same version always has the same metadata', async () => {
  const one = await lxcMetadata(subject);
  expect((await lxcMetadata({ ...subject })).equals(one)).toBe(true);
});

describe.skipIf(lacks('xz'))('with GNU tar', () => {
  test('the archive is real xz, flat, and readable by everybody', async () => {
    const path = join(await scratchDirectory(), 'meta.tar.xz');
    await writeFile(path, await lxcMetadata(subject));
    await run('xz', ['--test', path]);
    const listed = (await run('tar', ['-tvJf', path])).trim().split('\n');
    expect(listed.map((line) => line.split(' ').at(-1))).toEqual([
      ...['config', 'config-user', 'create-message', 'excludes', 'excludes-user', 'expiry'],
    ]);
    expect(listed.every((line) => line.startsWith('-rw-r--r--'))).toBe(true);
  });

  test('device nodes are left out for those who cannot make them, and the name of the builder for all', async () => {
    const path = join(await scratchDirectory(), 'rootfs.tar.xz');
    await writeFile(path, await rootTarball('xz'));
    const files = lxcMetadataFiles(subject);
    const left = async (list: string) => {
      const excludes = (files[list] ?? '').trim().split('\n');
      // As the template does.
      const options = excludes.map((pattern) => `--exclude=${pattern}`);
      return (await run('tar', ['--anchored', ...options, '-tJf', path])).trim().split('\n');
    };
    expect(await left('excludes')).toEqual([
      ...['./', './bin/', './dev/', './etc/', './usr/', './etc/os-release', './bin/noise', './dev/console'],
    ]);
    expect(await left('excludes-user')).toEqual([
      ...['./', './bin/', './dev/', './etc/', './usr/', './etc/os-release', './bin/noise'],
    ]);
  });
});
