import { mkdir, symlink, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readBuildDirectory } from '../../../src/publish/tree/build-directory.ts';
import { run } from '../../support/command.ts';
import { digestsOf, makeDirectory, namesOf, sha256, writeFiles } from './trees.ts';

async function buildOf(files: Record<string, string>): Promise<string> {
  const directory = await makeDirectory();
  await writeFiles(directory, files);
  return directory;
}

/** Files by name, each with its name as its content. */
function named(...names: string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, name]));
}

describe('which files are the version', () => {
  test.each([
    ['distrobuilder, split', ['rootfs.squashfs', 'incus.tar.xz'], ['incus.tar.xz', 'rootfs.squashfs']],
    ['lxd-imagebuilder, virtual machine', ['disk.qcow2', 'lxd.tar.xz'], ['lxd.tar.xz', 'disk.qcow2']],
    [
      'all roots of one metadata',
      ['disk.qcow2', 'lxd.tar.xz', 'rootfs.squashfs', 'rootfs.tar.xz'],
      ['lxd.tar.xz', 'rootfs.squashfs', 'rootfs.tar.xz', 'disk.qcow2'],
    ],
    ['metadata by its plain name', ['metadata.tar.gz', 'root.tar.xz'], ['metadata.tar.gz', 'root.tar.xz']],
    ['an exported split image', ['meta-0a1b.tar.xz', '0a1b.squashfs'], ['meta-0a1b.tar.xz', '0a1b.squashfs']],
    [
      "Ubuntu's names",
      ['noble-amd64-lxd.tar.xz', 'noble-amd64.squashfs', 'noble-amd64-disk-kvm.img'],
      ['noble-amd64-lxd.tar.xz', 'noble-amd64.squashfs', 'noble-amd64-disk-kvm.img'],
    ],
    [
      'a unified tarball',
      ['debian-bookworm-amd64-default-20260101.tar.xz', 'build.log'],
      ['debian-bookworm-amd64-default-20260101.tar.xz'],
    ],
    ['a combined tarball', ['incus_combined.tar.gz'], ['incus_combined.tar.gz']],
    ['a bare root', ['rootfs.tar.zst'], ['rootfs.tar.zst']],
    [
      "LXC's metadata beside that of LXD",
      ['lxd.tar.xz', 'meta.tar.xz', 'rootfs.tar.xz'],
      ['lxd.tar.xz', 'rootfs.tar.xz'],
    ],
    [
      'metadata of an unusual name',
      ['my-meta-v2.tar.xz', 'rootfs.squashfs'],
      ['rootfs.squashfs', 'my-meta-v2.tar.xz'],
    ],
  ])('%s', async (_, names, expected) => {
    const directory = await buildOf(
      named(...names, 'build.log', 'packages.manifest', '.rootfs.squashfs.x7', 'serial'),
    );
    await mkdir(join(directory, 'cache'));
    const { request, warnings } = await readBuildDirectory(directory);
    expect(namesOf(request.files)).toEqual(expected);
    expect(request.files[0]).toEqual({
      from: 'disk',
      name: expected[0],
      path: join(directory, expected[0] ?? ''),
    });
    expect(warnings).toEqual([]);
  });

  test('lxd.tar.xz stands for an incus.tar.xz of the same bytes', async () => {
    const directory = await buildOf({
      'lxd.tar.xz': 'meta',
      'incus.tar.xz': 'meta',
      'rootfs.squashfs': 'root',
    });
    const { request, warnings } = await readBuildDirectory(directory);
    expect(namesOf(request.files)).toEqual(['lxd.tar.xz', 'rootfs.squashfs']);
    expect(warnings).toEqual([]);
  });

  test('lxd.tar.xz goes before an incus.tar.xz of other bytes, with a word about it', async () => {
    const directory = await buildOf({
      'lxd.tar.xz': 'meta',
      'incus.tar.xz': 'atem',
      'rootfs.squashfs': 'root',
    });
    const { request, warnings } = await readBuildDirectory(directory);
    expect(namesOf(request.files)).toEqual(['lxd.tar.xz', 'rootfs.squashfs']);
    expect(warnings).toEqual(['incus.tar.xz was left out: lxd.tar.xz differs from it and was taken']);
  });

  test('SHA256SUMS tells whether lxd.tar.xz and incus.tar.xz are the same', async () => {
    const sums = `${sha256('meta')}  lxd.tar.xz\n${sha256('meta')}  incus.tar.xz\n`;
    const directory = await buildOf({
      'lxd.tar.xz': 'meta',
      'incus.tar.xz': 'not what the sums say, which is found out when it is read',
      'rootfs.squashfs': 'root',
      SHA256SUMS: `${sums}${sha256('root')}  rootfs.squashfs\n`,
    });
    expect((await readBuildDirectory(directory)).warnings).toEqual([]);
  });

  test('says what of the image files it left out', async () => {
    const directory = await buildOf(
      named(
        'lxd.tar.xz',
        'rootfs.squashfs',
        'rootfs.20260101_0524.vcdiff',
        'disk.20260101_0524.qcow2.vcdiff',
        'old.tar.xz',
        'other.squashfs',
        'disk.vmdk',
      ),
    );
    const { request, warnings } = await readBuildDirectory(directory);
    expect(namesOf(request.files)).toEqual(['lxd.tar.xz', 'rootfs.squashfs']);
    expect(warnings).toEqual([
      'deltas (*.vcdiff) were left out',
      'disk.vmdk was left out: virtual machine disks are published as qcow2',
      'old.tar.xz was left out: the version has other files',
      'other.squashfs was left out: rootfs.squashfs was taken',
    ]);
  });

  test.each([
    ['nothing', ['build.log'], /no image files: expected lxd\.tar\.xz/],
    ['several tarballs', ['a.tar.xz', 'b.tar.gz'], /several tarballs \(a\.tar\.xz, b\.tar\.gz\)/],
    ['metadata alone', ['lxd.tar.xz', 'incus.tar.xz'], /incomplete: lxd\.tar\.xz has no root beside it/],
    [
      'a file that is being written',
      ['lxd.tar.xz', 'rootfs.squashfs.part'],
      /incomplete: rootfs\.squashfs\.part/,
    ],
  ])('refuses a directory with %s', async (_, names, message) => {
    const directory = await buildOf(named(...names));
    await expect(readBuildDirectory(directory)).rejects.toThrow(message);
    await expect(readBuildDirectory(directory)).rejects.toMatchObject({ kind: 'invalid' });
  });

  test('refuses what is no directory', async () => {
    const directory = await buildOf(named('file'));
    await expect(readBuildDirectory(join(directory, 'nowhere'))).rejects.toMatchObject({ kind: 'not-found' });
    await expect(readBuildDirectory(join(directory, 'file'))).rejects.toMatchObject({ kind: 'invalid' });
  });

  test('never waits for a named pipe', async () => {
    const directory = await buildOf(named('lxd.tar.xz', 'rootfs.squashfs'));
    await run('mkfifo', [join(directory, 'image.yaml'), join(directory, 'root.tar.xz')]);
    const { request } = await readBuildDirectory(directory);
    expect(namesOf(request.files)).toEqual(['lxd.tar.xz', 'rootfs.squashfs']);
    await symlink('root.tar.xz', join(directory, 'rootfs.tar.xz'));
    await expect(readBuildDirectory(directory)).rejects.toThrow(
      /rootfs\.tar\.xz: .* does not point to a regular file/,
    );
  });
});

describe('SHA256SUMS', () => {
  test('gives each file the digest that it must have', async () => {
    const directory = await buildOf({
      ...named('lxd.tar.xz', 'rootfs.squashfs'),
      SHA256SUMS: `${sha256('one')} *lxd.tar.xz\n${sha256('two')}  ./rootfs.squashfs\n${sha256('x')}  build.log\n`,
    });
    const { request, warnings } = await readBuildDirectory(directory);
    expect(digestsOf(request.files)).toEqual({
      'lxd.tar.xz': sha256('one'),
      'rootfs.squashfs': sha256('two'),
    });
    expect(warnings).toEqual([]);
  });

  test('a file that it does not name is taken, with a word about it', async () => {
    const directory = await buildOf({
      ...named('lxd.tar.xz', 'rootfs.squashfs'),
      SHA256SUMS: `${sha256('one')}  lxd.tar.xz\n`,
    });
    const { warnings } = await readBuildDirectory(directory);
    expect(warnings).toEqual(['rootfs.squashfs is not named in SHA256SUMS: it was not checked']);
  });

  test.each(['disk.qcow2', 'rootfs.tar.xz', 'image.yaml'])(
    'a version whose %s has not come yet is incomplete',
    async (name) => {
      const directory = await buildOf({
        ...named('lxd.tar.xz', 'rootfs.squashfs'),
        SHA256SUMS: `${sha256('x')}  ${name}\n`,
      });
      await expect(readBuildDirectory(directory)).rejects.toThrow(
        `${directory}: incomplete: SHA256SUMS names ${name}, which does not exist`,
      );
    },
  );

  test('must be a list of digests, of a sane size', async () => {
    const directory = await buildOf({ ...named('lxd.tar.xz', 'rootfs.squashfs'), SHA256SUMS: 'no list' });
    const path = join(directory, 'SHA256SUMS');
    await expect(readBuildDirectory(directory)).rejects.toThrow(`${path}: line 1: expected`);
    await truncate(path, 50 * 1024 * 1024);
    await expect(readBuildDirectory(directory)).rejects.toThrow(`${path}: 52428800 bytes, at most 1048576`);
  });
});

describe('image.yaml', () => {
  const definition = `
image:
  distribution: debian
  architecture: x86_64
simplestream:
  distro_name: Debian
  release_aliases:
    bookworm: stable,12
  requirements:
  - requirements: {secureboot: false}
`;

  test('tells of the product what the files do not', async () => {
    const directory = await buildOf({ ...named('lxd.tar.xz', 'rootfs.squashfs'), 'image.yaml': definition });
    const { request, warnings } = await readBuildDirectory(directory, { product: { release: 'bookworm' } });
    expect(request).toMatchObject({
      release: 'bookworm',
      osTitle: 'Debian',
      aliases: ['debian/stable/default', 'debian/stable', 'debian/12/default', 'debian/12'],
      requirements: { secureboot: 'false' },
    });
    // What the builder was told may be another thing than what it built: metadata.yaml decides.
    expect(request).not.toHaveProperty('os');
    expect(request).not.toHaveProperty('architecture');
    expect(warnings).toEqual([]);
  });

  test('a fault is named by file and field', async () => {
    const directory = await buildOf({
      ...named('lxd.tar.xz', 'rootfs.squashfs'),
      'image.yaml': 'simplestream: {distro_name: [Debian]}',
    });
    const expected = `${directory}/image.yaml: simplestream.distro_name: expected text, not a list`;
    await expect(readBuildDirectory(directory)).rejects.toThrow(expected);
  });

  test('each directory gets its own, however much they are alike', async () => {
    const names = named('lxd.tar.xz', 'rootfs.squashfs');
    const one = await buildOf({ ...names, 'image.yaml': definition });
    const other = await buildOf({ ...names, 'image.yaml': definition.replace('12', '12.1') });
    const product = { release: 'bookworm' };
    const aliasesOf = async (path: string) => (await readBuildDirectory(path, { product })).request.aliases;
    expect(await aliasesOf(one)).toContain('debian/12');
    expect(await aliasesOf(other)).toContain('debian/12.1');
    expect(await aliasesOf(one)).toContain('debian/12');
  });
});

describe('symbolic links', () => {
  test('are followed anywhere in a directory that the person named', async () => {
    const store = await buildOf(named('root'));
    const directory = await buildOf(named('lxd.tar.xz'));
    await symlink(join(store, 'root'), join(directory, 'rootfs.squashfs'));
    expect(namesOf((await readBuildDirectory(directory)).request.files)).toContain('rootfs.squashfs');
    await expect(readBuildDirectory(directory, { within: directory })).rejects.toThrow(
      `${directory}/rootfs.squashfs: a symbolic link that points outside of ${directory}, and is not followed`,
    );
  });

  test('that lead nowhere are refused by name', async () => {
    const directory = await buildOf(named('lxd.tar.xz'));
    await symlink('gone', join(directory, 'rootfs.squashfs'));
    await expect(readBuildDirectory(directory)).rejects.toThrow(
      `${directory}/rootfs.squashfs: a symbolic link that points to a missing file`,
    );
  });
});
