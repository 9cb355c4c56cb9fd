import { hash } from 'node:crypto';
import { mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createInspector } from '../../src/image/inspect.ts';
import {
  amd64,
  debianOsRelease,
  file,
  folder,
  metadataYaml,
  packTar,
  program,
  rootEntries,
  symlink,
} from './fixtures.ts';
import { inspect, refusal } from './inspecting.ts';
import { compressions, packers, scratch, tool } from './tools.ts';

const { directory, remove } = scratch();
afterAll(remove);

/** Packs part of the scratch directory with GNU tar. */
const gnuTar = (...args: string[]) => tool('tar', ['--directory', directory, '--create', ...args]);

/** An empty disk of 64 MiB. */
function makeDisk(): string {
  const file = path.join(directory, 'rootfs.img');
  tool('qemu-img', ['create', '-q', '-f', 'qcow2', file, '64M']);
  return file;
}

beforeAll(() => {
  writeFileSync(path.join(directory, 'metadata.yaml'), metadataYaml);
  mkdirSync(path.join(directory, 'templates'));
  writeFileSync(path.join(directory, 'templates', 'hostname.tpl'), '{{ container.name }}\n');
  const root = path.join(directory, 'rootfs');
  for (const name of ['etc', 'usr/bin', 'usr/lib']) mkdirSync(path.join(root, name), { recursive: true });
  symlinkSync('usr/bin', path.join(root, 'bin'));
  symlinkSync('../usr/lib/os-release', path.join(root, 'etc/os-release'));
  writeFileSync(path.join(root, 'usr/lib/os-release'), debianOsRelease);
  writeFileSync(path.join(root, 'usr/bin/dash'), program(amd64));
});

describe.each(compressions)('tarballs, compression %s', (compression) => {
  const pack = packers[compression];

  it('with metadata.yaml only are the metadata of a split image', async () => {
    expect(await inspect(pack(gnuTar('metadata.yaml', 'templates')))).toEqual({
      kind: 'metadata',
      compression,
      metadata: {
        architecture: 'amd64',
        creationDate: 1735689600,
        properties: { os: 'Debian', release: 'bookworm' },
        source: metadataYaml,
      },
    });
  });

  it('with rootfs/ are unified containers', async () => {
    const content = await inspect(pack(gnuTar('rootfs', 'metadata.yaml')));
    expect(content).toMatchObject({ kind: 'unified', compression, type: 'container' });
  });

  it('with rootfs.img are unified virtual machines', async () => {
    makeDisk();
    const content = await inspect(pack(gnuTar('rootfs.img', 'metadata.yaml')));
    expect(content).toMatchObject({ kind: 'unified', compression, type: 'virtual-machine' });
  });

  it('of a root filesystem say what they are of', async () => {
    const bytes = pack(tool('tar', ['--directory', path.join(directory, 'rootfs'), '--create', '.']));
    expect(await inspect(bytes)).toEqual({
      kind: 'rootfs-tarball',
      compression,
      found: {
        os: 'debian',
        release: 'bookworm',
        version: '12',
        title: 'Debian GNU/Linux 12 (bookworm)',
        architecture: 'amd64',
      },
      ...(compression === 'gzip' ? { unpacked: hash('sha256', gunzipSync(bytes)) } : {}),
    });
  });
});

describe('metadata.yaml', () => {
  it('may be written ./metadata.yaml', async () => {
    expect((await inspect(gnuTar('./metadata.yaml', './templates'))).kind).toBe('metadata');
  });

  it('counts only at the top', async () => {
    const bytes = await packTar([file('image/metadata.yaml', metadataYaml)]);
    expect(await refusal(bytes)).toBe(
      'a tar archive without metadata.yaml, and no root filesystem: it has image/ at its top',
    );
  });

  it('is refused when it is wrong, too large, twice there or no plain file', async () => {
    expect(await refusal(await packTar([file('metadata.yaml', 'architecture: [x86_64]')]))).toContain(
      'metadata.yaml: creation_date is missing',
    );
    const large = `${metadataYaml}#${'x'.repeat(1024 * 1024)}`;
    expect(await refusal(await packTar([file('metadata.yaml', large)]))).toContain('at most 1048576');
    const twice = [file('metadata.yaml', metadataYaml), file('./metadata.yaml', metadataYaml)];
    expect(await refusal(await packTar(twice))).toContain('twice');
    expect(await refusal(await packTar([symlink('metadata.yaml', 'other.yaml')]))).toContain(
      'not a plain file',
    );
    expect(await refusal(await packTar([file('metadata.yaml', Buffer.from([0xff, 0xfe, 0x61]))]))).toContain(
      'UTF-8',
    );
  });

  it('does not go with two roots, nor with a root beside it', async () => {
    makeDisk();
    const both = gnuTar('metadata.yaml', 'rootfs', 'rootfs.img');
    expect(await refusal(both)).toContain('both rootfs/ and rootfs.img');
    const beside = await packTar([file('metadata.yaml', metadataYaml), ...rootEntries]);
    expect(await refusal(beside)).toContain('below rootfs/');
  });

  it('does not go with 64 MiB of other files', async () => {
    const entries = [
      file('metadata.yaml', metadataYaml),
      file('templates/large', Buffer.alloc(64 * 1024 * 1024)),
    ];
    expect(await refusal(packers.gzip(await packTar(entries)))).toContain('at most 67108864');
  });
});

describe('rootfs.img', () => {
  it.each([
    ['raw', Buffer.alloc(4096)],
    ['shorter than a header', Buffer.from('QFI\xfb\0\0\0\x03', 'latin1')],
  ])('is refused when it is %s', async (_, disk) => {
    const bytes = await packTar([file('metadata.yaml', metadataYaml), file('rootfs.img', disk)]);
    expect(await refusal(bytes)).toContain('qcow2');
  });

  it('is refused when holes were left out of it', async () => {
    const folder = path.join(directory, 'sparse');
    mkdirSync(folder);
    const disk = path.join(folder, 'rootfs.img');
    writeFileSync(disk, readFileSync(makeDisk()));
    truncateSync(disk, 50 * 1024 * 1024);
    for (const format of ['gnu', 'pax']) {
      const bytes = gnuTar(
        '--sparse',
        `--format=${format}`,
        'metadata.yaml',
        '--directory',
        folder,
        'rootfs.img',
      );
      expect(bytes.length).toBeLessThan(10 * 1024 * 1024);
      expect(await refusal(bytes)).toContain('without --sparse');
    }
  });
});

describe('anything else is refused', () => {
  it.each([
    ['an empty file', '', 'the file is empty'],
    ['text', 'architecture: x86_64\n', 'no image file: expected squashfs'],
    ['one byte of a magic number', '\x1f', 'no image file'],
  ])('%s', async (_, bytes, message) => {
    expect(await refusal(Buffer.from(bytes, 'latin1'))).toContain(message);
  });

  it('a tar archive of something else, naming what it has', async () => {
    const bytes = await packTar([folder('src'), file('src/main.c'), file('README')]);
    expect(await refusal(bytes)).toContain('it has src/, README at its top');
  });

  it('a tar archive with more names than a message should have', async () => {
    const bytes = await packTar(Array.from({ length: 100 }, (_, index) => file(`${index}.txt`)));
    expect(await refusal(bytes)).toMatch(/9\.txt, … at its top$/);
  });

  it('a raw disk', async () => {
    const disk = Buffer.alloc(4096, 1);
    disk.set([0x55, 0xaa], 510);
    expect(await refusal(disk)).toContain('raw disk: convert it with qemu-img');
  });

  it.each(['gzip', 'xz', 'zstd', 'bzip2'] as const)('%s around something else', async (compression) => {
    expect(await refusal(packers[compression](Buffer.from('hello')))).toContain(
      `compressed with ${compression}`,
    );
    expect(await refusal(packers[compression](Buffer.alloc(100_000, 7)))).toContain('no tar archive');
    expect(await refusal(packers[compression](Buffer.alloc(0)))).toContain('no tar archive');
  });
});

describe('an inspector', () => {
  it('refuses at the write that cannot be right, not only at the end', async () => {
    const inspector = createInspector();
    await expect(inspector.write(Buffer.alloc(1000, 7))).rejects.toMatchObject({ kind: 'invalid' });
  });

  it('refuses what follows a broken beginning, too', async () => {
    const bytes = packers.gzip(await packTar(rootEntries));
    bytes.fill(0, 600, 700);
    const inspector = createInspector();
    const write = async () => {
      for (let at = 0; at < bytes.length; at += 600) await inspector.write(bytes.subarray(at, at + 600));
    };
    const first: unknown = await write().catch((error: unknown) => error);
    expect(first).toMatchObject({ kind: 'invalid', message: expect.stringContaining('is corrupt') });
    await expect(inspector.write(bytes)).rejects.toBe(first);
    await expect(inspector.end()).rejects.toBe(first);
  });

  it.each(compressions)('can be given up at any time (%s)', async (compression) => {
    const bytes = packers[compression](await packTar(rootEntries));
    for (const length of [0, 10, 600, bytes.length - 10, bytes.length]) {
      const inspector = createInspector();
      await inspector.write(bytes.subarray(0, length));
      inspector.abort();
    }
  });
});

it('a squashfs is told by its bytes', async () => {
  const image = path.join(directory, 'root.squashfs');
  tool('mksquashfs', [path.join(directory, 'rootfs'), image, '-quiet', '-no-progress']);
  expect(await inspect(readFileSync(image))).toEqual({
    kind: 'squashfs',
    compression: 'none',
    programs: 'amd64',
  });
});

it('a qcow2 disk is told by its bytes', async () => {
  expect(await inspect(readFileSync(makeDisk()))).toEqual({
    kind: 'qcow2',
    compression: 'none',
    virtualSize: 64 * 1024 * 1024,
  });
});
