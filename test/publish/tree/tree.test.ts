import { rmSync } from 'node:fs';
import { mkdir, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { productName } from '../../../src/model/names.ts';
import { findVersions } from '../../../src/publish/tree/tree.ts';
import { walkTree } from '../../../src/publish/tree/tree-walk.ts';
import { collect, digestsOf, makeDirectory, nameOf, sha256, writeFiles } from './trees.ts';

const cloud = 'images/ubuntu/noble/amd64/cloud';

function splitImage(directory: string): Record<string, string> {
  return { [`${directory}/lxd.tar.xz`]: 'meta', [`${directory}/rootfs.squashfs`]: directory };
}

async function treeOf(...directories: string[]): Promise<string> {
  const root = await makeDirectory();
  for (const directory of directories) await writeFiles(root, splitImage(directory));
  return root;
}

test('finds the versions of simplestream-maintainer and lxd-image-server, oldest first', async () => {
  const root = await treeOf(
    `${cloud}/20260102_0524`,
    `${cloud}/20260101_0524`,
    'deeper/down/debian/bookworm/arm64/default/20260101_05:24',
    'Debian/Trixie/x86_64/Default/20260103',
  );
  const { found, failed } = await collect(findVersions(root));
  expect(failed).toEqual({});
  expect(found.map(nameOf)).toEqual([
    'debian:trixie:amd64:default@20260103_0000',
    'debian:bookworm:arm64:default@20260101_0524',
    'ubuntu:noble:amd64:cloud@20260101_0524',
    'ubuntu:noble:amd64:cloud@20260102_0524',
  ]);
  const path = join(root, cloud, '20260101_0524');
  expect(found[2]).toEqual({
    path,
    request: {
      os: 'ubuntu',
      release: 'noble',
      architecture: 'amd64',
      variant: 'cloud',
      serial: '20260101_0524',
      files: [
        { from: 'disk', name: 'lxd.tar.xz', path: join(path, 'lxd.tar.xz'), inPlace: true },
        { from: 'disk', name: 'rootfs.squashfs', path: join(path, 'rootfs.squashfs'), inPlace: true },
      ],
    },
    warnings: [],
  });
});

test('finds them below any part of a tree', async () => {
  const root = await treeOf(`${cloud}/20260101_0524`);
  for (const part of ['images', 'images/ubuntu', cloud, `${cloud}/20260101_0524`, `${cloud}/../cloud/`]) {
    const { found } = await collect(findVersions(join(root, part)));
    expect(found.map(nameOf)).toEqual(['ubuntu:noble:amd64:cloud@20260101_0524']);
  }
});

test("takes each version's checksums and image.yaml", async () => {
  const root = await treeOf(`${cloud}/20260101_0524`, `${cloud}/20260102_0524`);
  await writeFiles(join(root, cloud), {
    '20260101_0524/SHA256SUMS': `${sha256('meta')}  lxd.tar.xz\n`,
    '20260102_0524/image.yaml': 'simplestream: {distro_name: Ubuntu, release_aliases: {noble: lts}}',
  });
  const { found } = await collect(findVersions(root));
  expect(found[0]?.request.files[0]).toMatchObject({ name: 'lxd.tar.xz', expectedDigest: sha256('meta') });
  expect(found[0]?.warnings).toEqual(['rootfs.squashfs is not named in SHA256SUMS: it was not checked']);
  expect(found[0]?.request).not.toHaveProperty('aliases');
  expect(found[1]?.request).toMatchObject({ osTitle: 'Ubuntu', aliases: ['ubuntu/lts/cloud'] });
});

test('never enters names that start with a dot', async () => {
  const root = await treeOf(`${cloud}/.20260101_0524`, `.hidden/ubuntu/noble/amd64/cloud/20260101_0524`);
  expect(await collect(findVersions(root))).toEqual({ found: [], failed: {} });
});

test('one bad version does not stop the others', async () => {
  const root = await treeOf(
    ...['20260101_0000', '20260102_0000', '20260103_0000', '20260104_0000', '20260105_0000'].map(
      (serial) => `${cloud}/${serial}`,
    ),
  );
  const at = (serial: string) => join(root, cloud, serial);
  await writeFiles(at('20260101_0000'), { 'image.yaml': 'simplestream: [' });
  await rm(join(at('20260102_0000'), 'rootfs.squashfs'));
  await symlink('gone.squashfs', join(at('20260102_0000'), 'rootfs.squashfs'));
  await writeFiles(at('20260103_0000'), { SHA256SUMS: 'rubbish' });
  await rm(join(at('20260104_0000'), 'rootfs.squashfs'));
  const { found, failed } = await collect(findVersions(root));
  expect(found.map(nameOf)).toEqual(['ubuntu:noble:amd64:cloud@20260105_0000']);
  expect(failed).toEqual({
    [at('20260101_0000')]: expect.stringContaining('20260101_0000/image.yaml: cannot be read as YAML'),
    [at('20260102_0000')]: expect.stringContaining(
      'rootfs.squashfs: a symbolic link that points to a missing file',
    ),
    [at('20260103_0000')]: expect.stringContaining('20260103_0000/SHA256SUMS: line 1'),
    [at('20260104_0000')]: expect.stringContaining('incomplete: lxd.tar.xz has no root beside it'),
  });
});

test.each([
  ['images/ubuntu/noble/sparc/default/20260101_0000', /architecture "sparc" is not known/],
  ['images/ubuntu/noble/amd64/default/v1', /serial "v1": expected a date/],
  ['images/ubuntu/noble/amd64/default/20261301_0000', /serial "20261301_0000"/],
  ['images/ubuntu core/noble/amd64/default/20260101_0000', /os "ubuntu core": use letters/],
  ['images/ubuntu/noble/amd64/a,b/20260101_0000', /variant "a,b": use letters/],
  ['latest', /holds image files, but is not at <os>\/<release>/],
])('says what is wrong with the place of a version: %s', async (directory, message) => {
  const root = await treeOf(directory, `${cloud}/20260101_0524`);
  const { found, failed } = await collect(findVersions(root));
  expect(found).toHaveLength(1);
  expect(failed).toEqual({ [join(root, directory)]: expect.stringMatching(message) });
});

test('a directory that cannot be read is one failure', async () => {
  const root = await treeOf(`${cloud}/20260101_0524`, 'images/debian/sid/amd64/default/20260101_0000');
  const gone = join(root, 'images/debian');
  const places = [];
  for await (const place of walkTree(root, (path) => path === gone && rmSync(gone, { recursive: true }))) {
    places.push(place);
  }
  expect(places).toEqual([
    { path: gone, error: expect.objectContaining({ message: `${gone}: no such file or directory` }) },
    expect.objectContaining({ path: join(root, cloud, '20260101_0524') }),
  ]);
});

describe('symbolic links', () => {
  test('out of the tree are not followed', async () => {
    const elsewhere = await treeOf(`${cloud}/20260109_0000`);
    const root = await treeOf(`${cloud}/20260101_0524`);
    await symlink(join(elsewhere, cloud, '20260109_0000'), join(root, cloud, '20260109_0000'));
    await symlink(join(elsewhere, 'images/ubuntu'), join(root, 'images/debian'));
    await symlink('/etc/hostname', join(root, 'README'));
    await symlink('gone', join(root, 'nothing'));
    const { found, failed } = await collect(findVersions(root));
    expect(found.map(nameOf)).toEqual(['ubuntu:noble:amd64:cloud@20260101_0524']);
    expect(Object.keys(failed)).toEqual([join(root, 'images/debian'), join(root, cloud, '20260109_0000')]);
    expect(Object.values(failed)[0]).toMatch(/points outside of .*, and is not followed/);
  });

  test('to a file out of the tree are not followed either', async () => {
    const root = await treeOf(`${cloud}/20260101_0524`);
    for (const name of ['SHA256SUMS', 'image.yaml', 'disk.qcow2']) {
      const link = join(root, cloud, '20260101_0524', name);
      await symlink('/etc/hostname', link);
      const { failed } = await collect(findVersions(root));
      expect(Object.values(failed)).toEqual([
        expect.stringContaining(`${link}: a symbolic link that points outside`),
      ]);
      await rm(link);
    }
  });

  test('in the place of a version are that version', async () => {
    const root = await treeOf('store/build-7', `${cloud}/20260101_0524`);
    await symlink('../../../../../store/build-7', join(root, cloud, '20260102_0000'));
    await symlink('20260101_0524', join(root, cloud, 'latest'));
    await symlink('..', join(root, 'images/loop'));
    await symlink('gone', join(root, cloud, '20260103_0000'));
    const { found, failed } = await collect(findVersions(root));
    expect(found.map(nameOf)).toEqual([
      'ubuntu:noble:amd64:cloud@20260101_0524',
      'ubuntu:noble:amd64:cloud@20260102_0000',
    ]);
    expect(failed).toEqual({
      [join(root, cloud, '20260103_0000')]: expect.stringContaining('points to a missing file'),
      [join(root, 'store/build-7')]: expect.stringContaining('serial "build-7": expected'),
    });
  });
});

test('of what is known nothing is read', async () => {
  const root = await treeOf(`${cloud}/20260101_0524`, `${cloud}/20260102_0524`);
  await writeFiles(root, { [`${cloud}/20260101_0524/SHA256SUMS`]: 'would be an error' });
  const known = vi.fn(async (_: unknown, serial: string) => serial === '20260101_0524');
  const { found, failed } = await collect(findVersions(root, { known }));
  expect(failed).toEqual({});
  expect(found.map(nameOf)).toEqual(['ubuntu:noble:amd64:cloud@20260102_0524']);
  const ubuntu = { os: 'ubuntu', release: 'noble', architecture: 'amd64', variant: 'cloud' };
  expect(known.mock.calls).toEqual([
    [ubuntu, '20260101_0524'],
    [ubuntu, '20260102_0524'],
  ]);
});

test('what is no directory is an error', async () => {
  const root = await treeOf('x');
  await expect(collect(findVersions(join(root, 'gone')))).rejects.toMatchObject({ kind: 'not-found' });
  await expect(collect(findVersions(join(root, 'x/lxd.tar.xz')))).rejects.toMatchObject({ kind: 'invalid' });
});

test('a path says what it was made of', async () => {
  const part = fc.stringMatching(/^[a-z0-9][a-z0-9+_~-]{0,12}$/);
  const architecture = fc.constantFrom('amd64', 'x86_64', 'arm64', 'riscv64');
  const minute = fc.date({ min: new Date('1990-01-01'), max: new Date('2100-01-01'), noInvalidDate: true });
  const version = fc.record({
    above: fc.array(part, { maxLength: 3 }),
    os: part,
    release: part,
    architecture,
    variant: part,
    minute,
  });
  await fc.assert(
    fc.asyncProperty(version, async ({ above, os, release, architecture, variant, minute }) => {
      const digits = minute.toISOString().replace(/\D/g, '');
      const name = `${digits.slice(0, 8)}_${digits.slice(8, 10)}:${digits.slice(10, 12)}`;
      const root = await makeDirectory();
      const path = join(root, ...above, os, release, architecture, variant, name);
      await mkdir(path, { recursive: true });
      const places = [];
      for await (const place of walkTree(root)) places.push(place);
      await rm(root, { recursive: true });
      const key = { os, release, architecture: architecture.replace('x86_64', 'amd64'), variant };
      expect(places).toEqual([{ path, product: key, serial: name.replace(':', '') }]);
      expect(productName(key)).toContain(os);
    }),
    { numRuns: 50 },
  );
});

test('reads no version when it only looks for them', async () => {
  const root = await treeOf(`${cloud}/20260101_0524`, `${cloud}/20260102_0524`);
  const directories: string[] = [];
  for await (const _ of walkTree(root, (path) => directories.push(path))) {
    // Only the directories are of interest.
  }
  expect(directories).toEqual(
    ['', 'images', 'images/ubuntu', 'images/ubuntu/noble', 'images/ubuntu/noble/amd64', cloud].map((part) =>
      join(root, part),
    ),
  );
});

test('digests are those of SHA256SUMS', async () => {
  const root = await treeOf(`${cloud}/20260101_0524`);
  const sums = `${sha256('a')}  lxd.tar.xz\n${sha256('b')}  rootfs.squashfs\n`;
  await writeFiles(root, { [`${cloud}/20260101_0524/SHA256SUMS`]: sums });
  const { found } = await collect(findVersions(root));
  expect(digestsOf(found[0]?.request.files ?? [])).toEqual({
    'lxd.tar.xz': sha256('a'),
    'rootfs.squashfs': sha256('b'),
  });
});
