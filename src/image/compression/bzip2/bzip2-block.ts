import { HeadwaterError } from '../../../errors.ts';
import type { BitReader } from './bzip2-bits.ts';
import { HuffmanTable, maxCodeLength } from './bzip2-huffman.ts';

/** Symbols that one Huffman table is used for before the next selector (bzip2's `BZ_G_SIZE`). */
const groupSize = 50;
/** Bytes that the selectors of a block take at most: 32767 of up to six bits. */
const selectorBytes = 24_576;
/** Bytes that a group of symbols takes at most. */
const groupBytes = Math.ceil((groupSize * maxCodeLength) / 8);
/** Bytes of the fixed part of a block's header, the map of used bytes included, at most. */
const headerBytes = 48;

/**
 * Reads the blocks of bzip2 streams: Huffman codes and the move-to-front list, up to the last column of the sorted
 * rotations (Burrows-Wheeler). One instance serves one block after the other.
 */
export class BlockReader {
  /** The block's bytes, each in the low 8 bits. */
  column = new Int32Array(0);
  /** How many of them there are. */
  length = 0;
  /** How often each byte occurs. */
  readonly counts = new Int32Array(256);
  /** Row of the sorted rotations that is the block itself. */
  origin = 0;

  readonly #bits: BitReader;
  readonly #front = new Uint8Array(256);
  #symbols = 0;
  #run = 0;
  #runWeight = 1;
  #size = 0;

  constructor(bits: BitReader) {
    this.#bits = bits;
  }

  /** Bytes that the blocks of the stream that follows have at most. */
  setSize(size: number): void {
    this.#size = size;
  }

  /** Reads what follows a block's checksum. Yields null whenever it needs more bytes. */
  *read(): Generator<null> {
    const bits = this.#bits;
    if (this.column.length < this.#size) this.column = new Int32Array(this.#size);
    yield* bits.wait(headerBytes);
    if (bits.read(1) === 1) throw corrupt('blocks of bzip2 0.9.0 and older are not supported');
    this.origin = bits.read(24);
    this.#readUsedBytes();
    const tableCount = bits.read(3);
    if (tableCount < 2 || tableCount > 6) throw corrupt('a block has a wrong number of tables');
    yield* bits.wait(selectorBytes);
    const selectors = this.#readSelectors(tableCount);
    const tables: HuffmanTable[] = [];
    for (let index = 0; index < tableCount; index += 1) {
      tables.push(yield* HuffmanTable.read(bits, this.#symbols + 2));
    }
    this.length = 0;
    this.#run = 0;
    this.#runWeight = 1;
    this.counts.fill(0);
    for (const selector of selectors) {
      if (bits.left < groupBytes) yield* bits.wait(groupBytes);
      const table = tables[selector];
      if (table !== undefined && this.#readGroup(table)) {
        if (this.origin >= this.length) throw corrupt('a block begins outside of itself');
        return;
      }
    }
    throw corrupt('a block has no end');
  }

  /** The bytes that occur in the block, in the order that the move-to-front list starts with. */
  #readUsedBytes(): void {
    const ranges = this.#bits.read(16);
    this.#symbols = 0;
    for (let range = 0; range < 16; range += 1) {
      if (((ranges >> (15 - range)) & 1) === 0) continue;
      const used = this.#bits.read(16);
      for (let index = 0; index < 16; index += 1) {
        if (((used >> (15 - index)) & 1) === 0) continue;
        this.#front[this.#symbols] = range * 16 + index;
        this.#symbols += 1;
      }
    }
    if (this.#symbols === 0) throw corrupt('a block uses no bytes');
  }

  /** Which table each group of symbols uses. */
  #readSelectors(tableCount: number): Uint8Array {
    const count = this.#bits.read(15);
    if (count === 0) throw corrupt('a block has no selectors');
    const selectors = new Uint8Array(count);
    const order = [0, 1, 2, 3, 4, 5];
    for (let index = 0; index < count; index += 1) {
      let place = 0;
      while (this.#bits.read(1) === 1) {
        place += 1;
        if (place >= tableCount) throw corrupt('a block uses a table that it does not have');
      }
      const [table = 0] = order.splice(place, 1);
      order.unshift(table);
      selectors[index] = table;
    }
    return selectors;
  }

  /** @returns whether the block ended in this group */
  #readGroup(table: HuffmanTable): boolean {
    const endOfBlock = this.#symbols + 1;
    for (let index = 0; index < groupSize; index += 1) {
      const symbol = table.decode(this.#bits);
      if (symbol <= 1) {
        // Zeros of the move-to-front list are written as their number in bijective base 2.
        this.#run += this.#runWeight << symbol;
        if (this.#run > this.#size) throw corrupt('a block is longer than its stream allows');
        this.#runWeight <<= 1;
        continue;
      }
      if (this.#run > 0) this.#putRun();
      if (symbol === endOfBlock) return true;
      this.#put(this.#moveToFront(symbol - 1), 1);
    }
    return false;
  }

  #putRun(): void {
    this.#put(this.#front[0] ?? 0, this.#run);
    this.#run = 0;
    this.#runWeight = 1;
  }

  #put(byte: number, times: number): void {
    const end = this.length + times;
    if (end > this.#size) throw corrupt('a block is longer than its stream allows');
    this.counts[byte] = (this.counts[byte] ?? 0) + times;
    if (times === 1) this.column[this.length] = byte;
    else this.column.fill(byte, this.length, end);
    this.length = end;
  }

  #moveToFront(place: number): number {
    const front = this.#front;
    const byte = front[place] ?? 0;
    if (place > 16) front.copyWithin(1, 0, place);
    else for (let index = place; index > 0; index -= 1) front[index] = front[index - 1] ?? 0;
    front[0] = byte;
    return byte;
  }
}

function corrupt(what: string): HeadwaterError {
  return new HeadwaterError('invalid', `the bzip2 data is corrupt: ${what}`);
}
