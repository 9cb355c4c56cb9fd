import { HeadwaterError } from '../../../errors.ts';
import { unpack } from '../byte-queue.ts';
import { BitReader } from './bzip2-bits.ts';
import { BlockReader } from './bzip2-block.ts';

// The format has no document of its own; these are the marks that bzip2 1.0 writes: the digits of pi before a
// block, those of its square root at the end of a stream, in two halves of 24 bits.
const blockMark = [0x314159, 0x265359];
const endMark = [0x177245, 0x385090];
const outputSize = 256 * 1024;

/**
 * Unpacks bzip2: one stream, or several concatenated streams, with the checksums of every block and stream. Written for
 * Headwater because no library streams: memory is 4 MiB for any input, and output is passed on in pieces of at most 256
 * KiB.
 * @throws HeadwaterError `invalid` where the data is truncated, corrupt or followed by something else
 */
export function bunzip2(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const bits = new BitReader();
  return unpack(source, bits, readStreams(bits));
}

/** Yields pieces of output, and null whenever it needs more bytes. */
function* readStreams(bits: BitReader): Generator<Uint8Array | null> {
  // One for all streams: a file may have very many that are empty.
  const block = new BlockReader(bits);
  do {
    yield* readStream(bits, block);
    bits.align();
    yield* bits.wait(1);
  } while (bits.left > 0);
}

function* readStream(bits: BitReader, block: BlockReader): Generator<Uint8Array | null> {
  yield* bits.wait(4);
  // "BZh" and the size of its blocks in units of 100,000 bytes
  const magic = bits.read(24);
  const level = bits.read(8) - 0x30;
  if (magic !== 0x425a68 || level < 1 || level > 9) throw corrupt('something else follows it');
  block.setSize(level * 100_000);
  let streamChecksum = 0;
  for (;;) {
    yield* bits.wait(10);
    const mark = [bits.read(24), bits.read(24)];
    const checksum = bits.readInt32();
    if (same(mark, endMark)) {
      if (checksum !== streamChecksum) throw corrupt('the checksum of the stream is wrong');
      return;
    }
    if (!same(mark, blockMark)) throw corrupt('a block does not begin as it must');
    yield* block.read();
    if ((yield* writeBlock(block)) !== checksum) throw corrupt('the checksum of a block is wrong');
    streamChecksum = ((streamChecksum << 1) | (streamChecksum >>> 31)) ^ checksum;
  }
}

/**
 * Turns the sorted column back into the block, and expands runs of equal bytes (four of them, then the number of
 * others).
 * @returns the checksum of what was written
 */
function* writeBlock(block: BlockReader): Generator<Uint8Array, number> {
  const links = link(block);
  let output = new Uint8Array(outputSize);
  let written = 0;
  let checksum = -1;
  let equal = 0;
  let previous = -1;
  let next = links[block.origin] ?? 0;
  for (let left = block.length; left > 0; left -= 1) {
    next = links[next >>> 8] ?? 0;
    const byte = next & 0xff;
    let times = 1;
    let value = byte;
    if (equal === 4) {
      times = byte;
      value = previous;
      equal = 0;
      previous = -1;
    } else if (byte === previous) {
      equal += 1;
    } else {
      equal = 1;
      previous = byte;
    }
    for (; times > 0; times -= 1) {
      output[written] = value;
      written += 1;
      checksum = (checksum << 8) ^ (checksumTable[((checksum >>> 24) ^ value) & 0xff] ?? 0);
      if (written === outputSize) {
        yield output;
        output = new Uint8Array(outputSize);
        written = 0;
      }
    }
  }
  if (written > 0) yield output.subarray(0, written);
  return ~checksum;
}

/** Adds to each byte of the column, in the upper 24 bits, where the one after it stands. */
function link({ column, length, counts }: BlockReader): Int32Array {
  const places = new Int32Array(256);
  let sum = 0;
  for (let byte = 0; byte < 256; byte += 1) {
    places[byte] = sum;
    sum += counts[byte] ?? 0;
  }
  for (let index = 0; index < length; index += 1) {
    const byte = (column[index] ?? 0) & 0xff;
    const place = places[byte] ?? 0;
    places[byte] = place + 1;
    column[place] = (column[place] ?? 0) | (index << 8);
  }
  return column;
}

/** CRC-32 with the polynomial of bzip2, the highest bit first. */
const checksumTable = Int32Array.from({ length: 256 }, (_, byte) => {
  let value = byte << 24;
  for (let bit = 0; bit < 8; bit += 1) value = value < 0 ? (value << 1) ^ 0x04c11db7 : value << 1;
  return value;
});

function same([high, low]: number[], [expectedHigh, expectedLow]: number[]): boolean {
  return high === expectedHigh && low === expectedLow;
}

function corrupt(what: string): HeadwaterError {
  return new HeadwaterError('invalid', `the bzip2 data is corrupt: ${what}`);
}
