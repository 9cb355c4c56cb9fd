import { setImmediate } from 'node:timers/promises';
import { bunzip2 } from './bzip2.ts';
import type { Compression } from './content.ts';
import { gunzip } from './gzip.ts';
import { unxz } from './xz.ts';
import { unzstd } from './zstd.ts';

/** Bytes of a file that {@link detectCompression} looks at. */
export const compressionMagicLength = 10;

/** After so many unpacked bytes other work of the same thread gets its turn. */
const turn = 4 * 1024 * 1024;

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

/**
 * Unpacks a stream. What it yields may be kept, so chunks of the source must not be written to again: with `none`
 * they are what it yields.
 * @throws HeadwaterError `invalid` where the data is truncated, corrupt or followed by something else; what the
 *   source throws
 */
export async function* decompress(
  compression: Compression,
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let sinceTurn = 0;
  for await (const bytes of decompressors[compression](source)) {
    yield bytes;
    sinceTurn += bytes.length;
    if (sinceTurn < turn) continue;
    sinceTurn = 0;
    await setImmediate();
  }
}

const decompressors: Record<Compression, (source: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>> = {
  none: (source) => source,
  gzip: gunzip,
  xz: unxz,
  zstd: unzstd,
  bzip2: bunzip2,
};
