import { defined } from '../../model/defined.ts';
import { ZeroPages } from '../compression/zero-pages.ts';
import type { Content } from '../content.ts';
import type { FormatInspector } from '../format-inspector.ts';
import { CannotUnpack, corrupt, number64, refuse, SquashfsTables } from './squashfs-blocks.ts';
import { checkSquashfs, superblockLength } from './squashfs-check.ts';
import { lookAtSquashfs } from './squashfs-look.ts';
import type { Superblock } from './squashfs-tree.ts';

/** Compressors by their numbers in the superblock (Linux, fs/squashfs/squashfs_fs.h): gzip, lzma, lzo, xz, lz4, zstd. */
const compressors = 6;
const absentTable = 0xffff_ffff_ffff_ffffn;

/** The largest stored tables at the end, in bytes: those of some four million files. */
const tablesLimit = 64 * 1024 * 1024;

/**
 * Checks a squashfs: its superblock, its length, and its tables, which come last and are remembered as they pass
 * (`squashfs-check.ts`). Unpacking the data would take far longer than hashing it.
 */
export class SquashfsInspector implements FormatInspector {
  readonly #superblock: Superblock;
  readonly #tables: Buffer;
  readonly #zeros = new ZeroPages();
  readonly #onProgress: () => void;
  #length = 0;

  /**
   * @param head at least {@link superblockLength} bytes, or the whole file
   * @param onProgress called for each block of the tables that is read
   * @throws HeadwaterError `invalid`, with the fault of the superblock
   */
  constructor(head: Buffer, onProgress: () => void) {
    this.#onProgress = onProgress;
    this.#superblock = readSuperblock(head);
    const { inodeTable, bytesUsed } = this.#superblock;
    if (bytesUsed - inodeTable > tablesLimit) {
      throw refuse(
        `has tables of ${bytesUsed - inodeTable} bytes: at most ${tablesLimit}, which is far more than root filesystems have`,
      );
    }
    this.#tables = Buffer.alloc(bytesUsed - inodeTable);
  }

  write(bytes: Uint8Array): void {
    const { inodeTable, bytesUsed } = this.#superblock;
    this.#zeros.write(bytes);
    const from = Math.max(0, inodeTable - this.#length);
    const to = Math.min(bytes.length, bytesUsed - this.#length);
    if (from < to) this.#tables.set(bytes.subarray(from, to), this.#length + from - inodeTable);
    this.#length += bytes.length;
  }

  async end(): Promise<Content> {
    const { inodeTable, bytesUsed, compressor } = this.#superblock;
    // There may be more: mksquashfs fills up to a multiple of 4 KiB.
    if (bytesUsed > this.#length) throw refuse(`is truncated: it has ${this.#length} of ${bytesUsed} bytes`);
    const tables = new SquashfsTables(this.#tables, {
      start: inodeTable,
      compressor,
      onProgress: this.#onProgress,
    });
    try {
      const look = await lookAtSquashfs(await checkSquashfs(this.#superblock, tables, this.#zeros));
      const isPlain = look.unified === undefined && look.program === undefined;
      return { kind: 'squashfs', compression: 'none', ...(isPlain ? {} : { look }) };
    } catch (error) {
      if (!(error instanceof CannotUnpack)) throw error;
      return { kind: 'squashfs', compression: 'none' };
    }
  }
}

function readSuperblock(head: Buffer): Superblock {
  if (head.length < superblockLength) throw refuse('is truncated: not even its superblock is whole');
  const version = `${head.readUInt16LE(28)}.${head.readUInt16LE(30)}`;
  if (version !== '4.0') throw refuse(`has version ${version}: only 4.0 can be used`);
  const compressor = head.readUInt16LE(20);
  if (compressor < 1 || compressor > compressors) throw refuse(`has the unknown compressor ${compressor}`);
  const blockSize = head.readUInt32LE(12);
  const blockLog = head.readUInt16LE(22);
  if (blockLog < 12 || blockLog > 20 || blockSize !== 2 ** blockLog) {
    throw corrupt(`its block size is given as ${blockSize} and as 2^${blockLog}`);
  }
  const inodes = head.readUInt32LE(4);
  if (inodes === 0) throw corrupt('it has no inodes');
  const bytesUsed = number64(head, 40);
  const optional = (name: string, at: number): number | undefined => {
    if (head.readBigUInt64LE(at) === absentTable) return undefined;
    const start = number64(head, at);
    if (start < superblockLength || start >= bytesUsed) throw corrupt(`its ${name} table is outside of it`);
    return start;
  };
  const needed = (name: string, at: number): number => {
    const start = optional(name, at);
    if (start === undefined) throw corrupt(`its ${name} table is missing`);
    return start;
  };
  const fragmentTable = optional('fragment', 80);
  const exportTable = optional('export', 88);
  const xattrTable = optional('xattr', 56);
  return {
    inodes,
    fragments: head.readUInt32LE(16),
    ids: head.readUInt16LE(26),
    compressor,
    blockSize,
    root: { block: Math.floor(number64(head, 32) / 2 ** 16), offset: head.readUInt16LE(32) },
    bytesUsed,
    inodeTable: needed('inode', 64),
    directoryTable: needed('directory', 72),
    idTable: needed('id', 48),
    ...defined({ fragmentTable, exportTable, xattrTable }),
  };
}
