import type { Compression } from '../content.ts';
import { xzDictionaryLimit, zstdWindowLog } from '../limits.ts';
import { isQcow2, isSquashfs } from '../magic.ts';
import { compressionMagicLength, detectCompression } from './detect-compression.ts';
import { readXzHeader } from './xz/xz-header.ts';

const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;

/** The memory of an examination in addition to the needs of its file, in bytes: its buffers and its output. */
const baseMemory = 16 * mebibyte;
/**
 * Unpacked bytes that nothing refers to any more. V8 frees them only when they take as much as two young generations of
 * 16 MiB (`Heap::AllocateExternalBackingStore`), and each examination has a V8 of its own in its thread.
 */
const unpackedGarbage = 32 * mebibyte;
const bzip2Blocks = 5 * mebibyte;
/** A process of Node.js that does nothing but unpack. */
const liblzmaProcess = 48 * mebibyte;

/** Bytes of a file that {@link memoryNeeded} looks at. */
export const memoryHeadLength = 512;

/**
 * The memory that the examination of a file needs, in bytes, according to its beginning. A later part of the file that
 * needs more is refused when it arrives (`zstd.ts`), or never needs more than this assumes.
 * @param head the first {@link memoryHeadLength} bytes, or the whole file
 */
export function memoryNeeded(head: Uint8Array): number {
  return baseMemory + asked(Buffer.from(head.buffer, head.byteOffset, head.length));
}

/** The memory for unpacking, in bytes, if nothing more is known. */
export function memoryOf(compression: Compression): number {
  return baseMemory + unpackedGarbage + maxMemoryAsked[compression];
}

const maxMemoryAsked: Record<Compression, number> = {
  none: mebibyte,
  gzip: mebibyte,
  bzip2: bzip2Blocks,
  xz: xzDictionaryLimit,
  zstd: 2 ** zstdWindowLog,
  lzma: liblzmaProcess + xzDictionaryLimit,
};

function asked(head: Buffer): number {
  if (isSquashfs(head)) return head.length < 72 ? 0 : tablesOf(head);
  if (isQcow2(head)) return head.length < 40 ? 0 : head.readUInt32BE(36) * 8 + 2 * mebibyte;
  return unpackedGarbage + askedToUnpack(head);
}

function askedToUnpack(head: Buffer): number {
  const compression = detectCompression(head.subarray(0, compressionMagicLength));
  switch (compression) {
    case 'zstd':
      return zstdWindow(head);
    case 'lzma':
      return liblzmaProcess + head.readUInt32LE(1);
    case 'xz': {
      const { needsLiblzma, dictionary } = readXzHeader(head);
      return needsLiblzma ? liblzmaProcess + dictionary : maxMemoryAsked.xz;
    }
    default:
      return maxMemoryAsked[compression];
  }
}

/** Bytes from the inode table to the end, according to the superblock: they are kept until the end of the file. */
function tablesOf(head: Buffer): number {
  const length = Number(head.readBigUInt64LE(40) - head.readBigUInt64LE(64));
  return Math.max(0, Math.min(length, 64 * mebibyte));
}

/** Bytes of the window of the first frame (RFC 8878, section 3.1.1.1); the largest allowed if it is unknown. */
export function zstdWindow(head: Uint8Array): number {
  const maxWindow = 2 ** zstdWindowLog;
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.length);
  if (bytes.length < 18 || bytes.readUInt32LE(0) !== 0xfd2fb528) return maxWindow;
  const descriptor = bytes.readUInt8(4);
  if ((descriptor & 0x20) === 0) {
    const window = bytes.readUInt8(5);
    const size = 2 ** (10 + (window >>> 3));
    return Math.min(maxWindow, size + (size / 8) * (window & 7));
  }
  // A single segment: its window is as long as its content.
  const at = 5 + ([0, 1, 2, 4][descriptor & 3] ?? 0);
  switch (descriptor >>> 6) {
    case 0:
      return bytes.readUInt8(at);
    case 1:
      return bytes.readUInt16LE(at) + 256;
    case 2:
      return Math.min(maxWindow, bytes.readUInt32LE(at));
    default:
      return Math.min(maxWindow, Number(bytes.readBigUInt64LE(at)));
  }
}
