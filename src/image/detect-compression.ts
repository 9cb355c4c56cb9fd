import type { Compression } from './content.ts';

// Apart from what unpacks, which takes long to load.

/** Bytes of a file that {@link detectCompression} looks at. */
export const compressionMagicLength = 10;

/**
 * How a file is compressed, told by its first {@link compressionMagicLength} bytes; `none` where it is not, or not
 * in a way that Headwater knows.
 */
export function detectCompression(head: Uint8Array): Compression {
  const text = Buffer.from(head.subarray(0, compressionMagicLength)).toString('latin1');
  if (text.startsWith('\x1f\x8b')) return 'gzip';
  if (text.startsWith('\xfd7zXZ\0')) return 'xz';
  // A frame, or a skippable one before it (RFC 8878, sections 3.1.1 and 3.1.2).
  if (/^(\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18)/.test(text)) return 'zstd';
  // "BZh", the block size, and the mark of a block or, in an empty stream, of the end
  if (/^BZh[1-9](1AY&SY|\x17\x72\x45\x38\x50\x90)/.test(text)) return 'bzip2';
  return 'none';
}
