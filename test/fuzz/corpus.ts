import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { debianOsRelease, file, folder, metadataYaml, packTar, symlink } from '../image/fixtures.ts';
import { randomFrom } from './mutate.ts';

/** A small image file that mutants are made of. */
interface Seed {
  name: string;
  bytes: Buffer;
}

interface Corpus {
  seeds: Seed[];
  /** Which kinds were left out, each as a sentence. */
  missing: string[];
}

/** Debian's packages of the programs that pack. */
const packages: Record<string, string> = {
  tar: 'tar',
  xz: 'xz-utils',
  zstd: 'zstd',
  bzip2: 'bzip2',
  mksquashfs: 'squashfs-tools',
  'qemu-img': 'qemu-utils',
};

/** Makes a small file of every kind that is examined, as far as the programs for it are installed. */
export async function makeCorpus(): Promise<Corpus> {
  const seeds: Seed[] = [];
  const missing: string[] = [];
  const directory = mkdtempSync(join(tmpdir(), 'headwater-fuzz-'));
  const add = (name: string, program: string, args: string[], input?: Buffer, output?: string) => {
    const { error, status, stdout } = spawnSync(program, args, { input, maxBuffer: 2 ** 26 });
    if (error !== undefined || status !== 0) {
      missing.push(`${name} is left out: ${program} of the package ${packages[program]} did not make it.`);
    } else seeds.push({ name, bytes: output === undefined ? stdout : readFileSync(output) });
  };
  try {
    // The same bytes each time, so that a seed repeats a finding.
    const random = randomFrom(0);
    const noise = Buffer.from(Array.from({ length: 20_000 }, () => Math.floor(random() * 256)));
    const root = await packTar([
      folder('etc'),
      symlink('etc/os-release', '../usr/lib/os-release'),
      folder('bin'),
      file('bin/sh', Buffer.concat([Buffer.from('\x7fELF\x02\x01\x01'), noise])),
      file('usr/lib/os-release', debianOsRelease),
    ]);
    const metadata = await packTar([file('metadata.yaml', metadataYaml), file('templates/a.tpl', 'a')]);
    const unified = await packTar([file('metadata.yaml', metadataYaml), file('rootfs/bin/sh', 'sh')]);
    const tarballs = { root, metadata, unified };
    for (const [name, bytes] of Object.entries(tarballs)) {
      seeds.push({ name: `${name}.tar`, bytes }, { name: `${name}.tar.gz`, bytes: gzipSync(bytes) });
      add(`${name}.tar.xz`, 'xz', ['-c', '-1'], bytes);
      add(`${name}.tar.zst`, 'zstd', ['-q', '-c'], bytes);
      add(`${name}.tar.bz2`, 'bzip2', ['-c'], bytes);
    }
    add('root.tar.lzma', 'xz', ['-c', '-1', '--format=lzma'], root);
    add('root-filtered.tar.xz', 'xz', ['-c', '--check=sha256', '--x86', '--lzma2=preset=1'], root);
    const tree = join(directory, 'tree');
    for (const folder of ['bin', 'etc', 'usr/lib']) mkdirSync(join(tree, folder), { recursive: true });
    writeFileSync(join(tree, 'bin/sh'), Buffer.alloc(20_000, 'sh'));
    writeFileSync(join(tree, 'etc/os-release'), 'ID=debian\nVERSION_ID=12\n');
    for (const format of ['gnu', 'pax', 'ustar']) {
      add(`root-${format}.tar`, 'tar', [
        ...(format === 'ustar' ? [] : ['--sparse']),
        `--format=${format}`,
        '--mtime=@0',
        '--sort=name',
        '-C',
        tree,
        '-c',
        '.',
      ]);
    }
    for (const compressor of ['gzip', 'xz', 'zstd', 'lzo', 'lz4']) {
      const output = join(directory, `${compressor}.squashfs`);
      const args = [
        tree,
        output,
        '-comp',
        compressor,
        '-quiet',
        '-no-progress',
        '-all-time',
        '0',
        '-mkfs-time',
        '0',
      ];
      add(`${compressor}.squashfs`, 'mksquashfs', args, undefined, output);
    }
    const disk = join(directory, 'disk.qcow2');
    add('disk.qcow2', 'qemu-img', ['create', '-q', '-f', 'qcow2', disk, '16M'], undefined, disk);
    seeds.push({
      name: 'delta.vcdiff',
      bytes: Buffer.concat([Buffer.from([0xd6, 0xc3, 0xc4, 0, 0]), root.subarray(0, 500)]),
    });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  return { seeds, missing };
}
