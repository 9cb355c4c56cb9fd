import type { Compression } from '../content.ts';

// In a module of its own, because the decompressors take long to load.

/** Bytes of a file that {@link detectCompression} looks at. */
export const compressionMagicLength = 14;

/**
 * The compression of a file, detected from its first {@link compressionMagicLength} bytes; `none` for a file that is
 * not compressed, or is compressed in a way that Headwater does not read.
 */
export function detectCompression(head: Uint8Array): Compression {
  const text = Buffer.from(head.subarray(0, compressionMagicLength)).toString('latin1');
  if (text.startsWith('\x1f\x8b')) return 'gzip';
  if (text.startsWith('\xfd7zXZ\0')) return 'xz';
  // A frame, or a skippable one before it (RFC 8878, sections 3.1.1 and 3.1.2).
  if (/^(\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18)/.test(text)) return 'zstd';
  // "BZh", the block size, and the mark of a block or, in an empty stream, of the end
  if (/^BZh[1-9](1AY&SY|\x17\x72\x45\x38\x50\x90)/.test(text)) return 'bzip2';
  if (isLzma(head)) return 'lzma';
  return 'none';
}

/**
 * Whether a file begins as an archive in the format of lzma(1), which has no magic. LXD and Incus check only the first
 * three bytes: the default properties and a dictionary of at least 64 KiB. Headwater also requires a dictionary and an
 * unpacked size that compressors write, and the initial zero of the range coder.
 */
function isLzma(head: Uint8Array): boolean {
  if (head.length < compressionMagicLength) return false;
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.length);
  if (bytes.readUIntBE(0, 3) !== 0x5d0000 || bytes[13] !== 0) return false;
  const unpacked = bytes.readBigUInt64LE(5);
  return isUsualDictionary(bytes.readUInt32LE(1)) && (unpacked === 2n ** 64n - 1n || unpacked < 2n ** 38n);
}

/** A power of two, or one and a half times as much. */
function isUsualDictionary(size: number): boolean {
  if (size === 0) return false;
  const power = 2 ** Math.floor(Math.log2(size));
  return size === power || size === power * 1.5;
}
