import { HeadwaterError } from '../errors.ts';
import type { Content } from './content.ts';
import type { Examiner } from './examiner.ts';

/** Bytes of the superblock. */
const squashfsHeadLength = 96;

/** Compressors by their numbers in the superblock (Linux, fs/squashfs/squashfs_fs.h): gzip, lzma, lzo, xz, lz4, zstd. */
const compressors = 6;
const absent = 0xffff_ffff_ffff_ffffn;

/** Whether a file begins as a squashfs does. */
export function isSquashfs(head: Uint8Array): boolean {
  return Buffer.from(head.subarray(0, 4)).toString('latin1') === 'hsqs';
}

/** Checks the superblock of a squashfs, and that the file is as long as it says. Costs nothing per byte. */
export class SquashfsExaminer implements Examiner {
  readonly #bytesUsed: bigint;
  #length = 0;

  /**
   * @param head at least {@link squashfsHeadLength} bytes, or the whole file
   * @throws HeadwaterError `invalid`, saying what is wrong with the superblock
   */
  constructor(head: Buffer) {
    if (head.length < squashfsHeadLength) throw refuse('is truncated: not even its superblock is whole');
    const version = `${head.readUInt16LE(28)}.${head.readUInt16LE(30)}`;
    if (version !== '4.0') throw refuse(`has version ${version}: only 4.0 can be used`);
    const compressor = head.readUInt16LE(20);
    if (compressor < 1 || compressor > compressors) throw refuse(`has the unknown compressor ${compressor}`);
    const blockSize = head.readUInt32LE(12);
    const blockLog = head.readUInt16LE(22);
    if (blockLog < 12 || blockLog > 20 || blockSize !== 2 ** blockLog) {
      throw refuse(`is corrupt: its block size is given as ${blockSize} and as 2^${blockLog}`);
    }
    if (head.readUInt32LE(4) === 0) throw refuse('is corrupt: it has no inodes');
    this.#bytesUsed = head.readBigUInt64LE(40);
    for (const [name, offset, optional] of tables) {
      const start = head.readBigUInt64LE(offset);
      if (optional && start === absent) continue;
      if (start < squashfsHeadLength || start >= this.#bytesUsed) {
        throw refuse(`is corrupt: its ${name} table is outside of it`);
      }
    }
  }

  write(bytes: Uint8Array): void {
    this.#length += bytes.length;
  }

  end(): Content {
    // There may be more: mksquashfs fills up to a multiple of 4 KiB.
    if (this.#bytesUsed > this.#length) {
      throw refuse(`is truncated: it has ${this.#length} of ${this.#bytesUsed} bytes`);
    }
    return { kind: 'squashfs', compression: 'none' };
  }
}

/** The tables: name, where the superblock says where they are, and whether they may be absent. */
const tables: [string, number, boolean][] = [
  ['id', 48, false],
  ['xattr', 56, true],
  ['inode', 64, false],
  ['directory', 72, false],
  ['fragment', 80, true],
  ['export', 88, true],
];

function refuse(what: string): HeadwaterError {
  return new HeadwaterError('invalid', `the squashfs ${what}`);
}
