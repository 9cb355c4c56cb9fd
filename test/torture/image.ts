import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { packTar } from '../../src/image/tar/tar-pack.ts';
import { debianOsRelease, file, folder, symlink } from '../image/fixtures.ts';
import type { Random } from './random.ts';

/** One file of an image. */
interface ImageFile {
  digest: string;
  size: number;
  bytes: Buffer;
}

/** A split image whose bytes depend on the seed only. */
export interface TrialImage {
  product: string;
  release: string;
  serial: string;
  metadata: ImageFile;
  root: ImageFile;
}

const releases = ['one', 'two', 'three'];
const mtime = new Date('2026-01-01T00:00:00Z');

/**
 * Makes an image in memory, without other programs.
 * @param number makes its serial; no two images of a data directory share one
 */
export async function makeTrialImage(random: Random, number: number): Promise<TrialImage> {
  const release = random.pick(releases);
  const serial = new Date(Date.UTC(2026, 0, 1, 0, number))
    .toISOString()
    .replace(/^(\d+)-(\d+)-(\d+)T(\d+):(\d+).*$/, '$1$2$3_$4$5');
  const properties = { os: 'torture', release, architecture: 'amd64', variant: 'default', serial };
  // JSON is YAML, too.
  const yaml = JSON.stringify({ architecture: 'x86_64', creation_date: 1767225600, properties });
  const metadata = await packTar([{ ...file('metadata.yaml', yaml), mtime }]);
  // Some are examined as a whole, some pass through as a stream.
  const size = random.pick([3000, 40_000, 300_000, 1_500_000]);
  const root = await packTar(
    [
      folder('./'),
      folder('./etc'),
      file('./etc/os-release', debianOsRelease),
      folder('./usr'),
      folder('./usr/bin'),
      symlink('./bin', 'usr/bin'),
      file('./usr/bin/dash', executable()),
      file('./usr/noise', random.bytes(size)),
    ].map((entry) => ({ ...entry, mtime })),
  );
  return {
    product: `torture:${release}:amd64:default`,
    release,
    serial,
    metadata: described(gzipSync(metadata)),
    root: described(gzipSync(root, { level: 1 })),
  };
}

/** Writes the two files into a new directory. @returns their paths, metadata first */
export async function writeTrialImage(directory: string, image: TrialImage): Promise<[string, string]> {
  await mkdir(directory, { recursive: true });
  const paths: [string, string] = [join(directory, 'metadata.tar.gz'), join(directory, 'rootfs.tar.gz')];
  await writeFile(paths[0], image.metadata.bytes);
  await writeFile(paths[1], image.root.bytes);
  return paths;
}

function described(bytes: Buffer): ImageFile {
  return { digest: createHash('sha256').update(bytes).digest('hex'), size: bytes.length, bytes };
}

/** The header of an ELF program for amd64. */
function executable(): Buffer {
  const bytes = Buffer.alloc(1064, 1);
  bytes.fill(0, 0, 64);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  bytes.writeUInt16LE(3, 16);
  bytes.writeUInt16LE(62, 18);
  return bytes;
}
