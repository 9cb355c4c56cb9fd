import { spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { debianOsRelease, file, folder, metadataYaml, packTar, symlink } from '../image/fixtures.ts';
import { randomFrom } from './mutate.ts';
import { tarSeeds } from './tar-seeds.ts';

/** A small image file that mutants are made of. */
export interface Seed {
  name: string;
  bytes: Buffer;
  /** It takes a process to unpack it, which takes a hundred times as long as the others. */
  isSlow: boolean;
}

interface Corpus {
  seeds: Seed[];
  /** Unified virtual machines. */
  machines: Seed[];
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
  const directory = mkdtempSync(join(tmpdir(), 'headwater-fuzz-'));
  const maker = new Maker(directory);
  try {
    const seeds = await makeSeeds(maker);
    const disk = maker.run('disk.qcow2', 'qemu-img', [
      ...['create', '-q', '-f', 'qcow2', '-o', 'cluster_size=512', join(directory, 'disk.qcow2'), '64k'],
    ]);
    const machine = await packTar([
      file('metadata.yaml', metadataYaml),
      file('rootfs.img', disk?.bytes ?? Buffer.alloc(3000, 'QFI\xfb')),
      file('templates/a.tpl', 'a'),
    ]);
    const machines = maker.packed('machine.tar', machine);
    return {
      seeds: [...seeds, ...(disk === undefined ? [] : [disk]), ...machines],
      machines,
      missing: maker.missing,
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function makeSeeds(maker: Maker): Promise<Seed[]> {
  const seeds: Seed[] = [];
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
  for (const [name, bytes] of Object.entries({ root, metadata, unified })) {
    seeds.push(...maker.packed(`${name}.tar`, bytes));
  }
  for (const [name, bytes] of Object.entries(await tarSeeds())) seeds.push({ name, bytes, isSlow: false });
  seeds.push(...treeSeeds(maker));
  seeds.push({
    name: 'delta.vcdiff',
    bytes: Buffer.concat([Buffer.from([0xd6, 0xc3, 0xc4, 0, 0]), root.subarray(0, 500)]),
    isSlow: false,
  });
  return seeds;
}

/** Archives that programs make of a directory: with sparse files and names longer than fields. */
function treeSeeds(maker: Maker): Seed[] {
  const tree = join(maker.directory, 'tree');
  const image = join(maker.directory, 'image');
  for (const top of [tree, join(image, 'rootfs')]) {
    for (const folder of ['bin', 'etc', 'usr/lib']) mkdirSync(join(top, folder), { recursive: true });
    writeFileSync(join(top, 'bin/sh'), Buffer.alloc(20_000, 'sh'));
    writeFileSync(join(top, 'etc/os-release'), 'ID=debian\nVERSION_ID=12\n');
  }
  mkdirSync(join(image, 'templates'));
  writeFileSync(join(image, 'metadata.yaml'), metadataYaml);
  writeFileSync(join(image, 'templates/a.tpl'), 'a');
  const tar = (name: string, ...options: string[]) =>
    maker.run(name, 'tar', [...options, '--mtime=@0', '--sort=name', '-C', tree, '-c', '.']);
  const made = [tar('root-ustar.tar', '--format=ustar')];
  // Holes, and names that take a member or a record of their own.
  truncateSync(join(tree, 'bin/sh'), 3_000_000);
  writeFileSync(join(tree, 'etc', 'n'.repeat(200)), 'long');
  symlinkSync('t'.repeat(200), join(tree, 'etc/link'));
  for (const format of ['gnu', 'pax']) {
    made.push(tar(`long-${format}.tar.gz`, '--gzip', `--format=${format}`));
    made.push(tar(`sparse-${format}.tar`, '--sparse', `--format=${format}`));
  }
  made.push(tar('sparse-0.0.tar', '--sparse', '--sparse-version=0.0', '--format=pax'));
  truncateSync(join(tree, 'bin/sh'), 20_000);
  for (const compressor of ['gzip', 'xz', 'zstd', 'lzo', 'lz4']) {
    made.push(maker.squashfs(`${compressor}.squashfs`, tree, compressor));
  }
  made.push(
    maker.squashfs('unified.squashfs', image, 'gzip'),
    maker.squashfs('unified-xz.squashfs', image, 'xz'),
  );
  return made.flatMap((seed) => seed ?? []);
}

/** Makes files with programs, and notes which could not be made. */
class Maker {
  readonly directory: string;
  readonly missing: string[] = [];

  constructor(directory: string) {
    this.directory = directory;
  }

  /** The output of a program, or the file of this name where there is one. */
  run(name: string, program: string, args: string[], input?: Buffer): Seed | undefined {
    const output = join(this.directory, name);
    const { error, status, stdout } = spawnSync(program, args, { input, maxBuffer: 2 ** 26 });
    if (error !== undefined || status !== 0) {
      this.missing.push(
        `${name} is left out: ${program} of the package ${packages[program]} did not make it.`,
      );
      return undefined;
    }
    const bytes = args.includes(output) ? readFileSync(output) : stdout;
    return { name, bytes, isSlow: /lzma|filtered/.test(name) };
  }

  squashfs(name: string, tree: string, compressor: string): Seed | undefined {
    const fixed = ['-all-time', '0', '-mkfs-time', '0', '-quiet', '-no-progress', '-noappend'];
    return this.run(name, 'mksquashfs', [tree, join(this.directory, name), '-comp', compressor, ...fixed]);
  }

  /** A tarball, plain and in every compression. */
  packed(name: string, bytes: Buffer): Seed[] {
    const made = [
      this.run(`${name}.xz`, 'xz', ['-c', '-1'], bytes),
      this.run(`${name}.zst`, 'zstd', ['-q', '-c'], bytes),
      this.run(`${name}.bz2`, 'bzip2', ['-c'], bytes),
      this.run(`${name}.lzma`, 'xz', ['-c', '-1', '--format=lzma'], bytes),
      this.run(`${name}.filtered.xz`, 'xz', ['-c', '--check=sha256', '--x86', '--lzma2=preset=1'], bytes),
    ];
    return [
      { name, bytes, isSlow: false },
      { name: `${name}.gz`, bytes: gzipSync(bytes), isSlow: false },
      ...made.flatMap((seed) => seed ?? []),
    ];
  }
}
