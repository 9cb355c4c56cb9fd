import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findVersions } from '../../../src/publish/tree/tree.ts';
import { run } from '../../support/command.ts';
import { lacks } from '../../support/needs.ts';
import { collect, digestsOf, makeDirectory, nameOf, writeFiles } from './trees.ts';

const isMissing = lacks('incus-simplestreams', 'mksquashfs', 'qemu-img', 'xz');

/** Runs a program in a directory, with Greenwich's time. */
async function program(cwd: string, name: string, ...args: string[]): Promise<void> {
  await run(name, args, { cwd, env: { TZ: 'UTC' } });
}

/** Makes what `incus-simplestreams add` takes, and gives the directory of it. */
async function makeImages(creation: string): Promise<string> {
  const directory = await makeDirectory();
  await writeFiles(directory, {
    'metadata.yaml': [
      'architecture: x86_64',
      `creation_date: ${Date.parse(creation) / 1000}`,
      'properties:',
      '  {os: Debian, release: bookworm, variant: default, architecture: amd64, description: Debian bookworm}',
    ].join('\n'),
    'rootfs/bin/sh': '#!',
    'rootfs/etc/hostname': 'debian',
  });
  await program(directory, 'tar', '-cJf', 'meta.tar.xz', 'metadata.yaml');
  await program(directory, 'tar', '-czf', 'unified.tar.gz', 'metadata.yaml', 'rootfs');
  await program(directory, 'mksquashfs', 'rootfs', 'root.squashfs', '-quiet', '-no-progress');
  await program(directory, 'qemu-img', 'create', '-q', '-f', 'qcow2', 'disk.qcow2', '1M');
  return directory;
}

test.skipIf(isMissing)('finds what incus-simplestreams added, by its documents', async () => {
  const root = await makeDirectory();
  const first = await makeImages('2026-01-01T05:24:00Z');
  const second = await makeImages('2026-01-02T00:00:30Z');
  await mkdir(root, { recursive: true });
  await program(
    root,
    'incus-simplestreams',
    'add',
    '--alias',
    'stable',
    join(first, 'meta.tar.xz'),
    join(first, 'root.squashfs'),
  );
  await program(root, 'incus-simplestreams', 'add', join(first, 'meta.tar.xz'), join(first, 'disk.qcow2'));
  await program(root, 'incus-simplestreams', 'add', join(second, 'unified.tar.gz'));

  const { found, failed } = await collect(findVersions(root));
  expect(failed).toEqual({});
  expect(found.map(nameOf)).toEqual([
    'debian:bookworm:amd64:default@20260101_0524',
    'debian:bookworm:amd64:default@20260102_0000',
  ]);
  expect(found[0]?.request).toMatchObject({
    osTitle: 'Debian',
    title: 'bookworm',
    aliases: ['Debian/bookworm/default', 'stable'],
  });
  const sources = [
    ['meta.tar.xz', 'root.squashfs', 'disk.qcow2'].map((name) => join(first, name)),
    [join(second, 'unified.tar.gz')],
  ];
  for (const [index, paths] of sources.entries()) {
    const digests = paths.map((path) => createHash('sha256').update(readFileSync(path)).digest('hex'));
    const files = found[index]?.request.files ?? [];
    expect(Object.values(digestsOf(files))).toEqual(digests);
    for (const file of files) {
      expect(file).toMatchObject({ from: 'disk', inPlace: true, path: join(root, file.name) });
      expect(existsSync(join(root, file.name))).toBe(true);
    }
  }
});
