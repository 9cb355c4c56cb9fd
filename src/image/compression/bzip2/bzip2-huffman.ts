import { HeadwaterError } from '../../../errors.ts';
import type { BitReader } from './bzip2-bits.ts';

/** Bits of the longest code that bzip2 allows. */
export const maxCodeLength = 20;

/** A canonical Huffman code: what bit patterns stand for which symbols. */
export class HuffmanTable {
  /** The symbols, those with the shortest codes first. */
  readonly #symbols: Uint16Array;
  readonly #shortest: number;
  readonly #longest: number;
  /** By length: the largest code of that length, or -1 where there is none. */
  readonly #limits = new Int32Array(maxCodeLength + 2);
  /** By length: what to take from a code to get its symbol's place. */
  readonly #offsets = new Int32Array(maxCodeLength + 2);

  constructor(lengths: Uint8Array) {
    const counts = new Int32Array(maxCodeLength + 1);
    for (const length of lengths) counts[length] = (counts[length] ?? 0) + 1;
    this.#shortest = Math.min(...lengths);
    this.#longest = Math.max(...lengths);
    this.#symbols = new Uint16Array(lengths.length);
    let place = 0;
    let code = 0;
    for (let length = this.#shortest; length <= this.#longest; length += 1) {
      this.#offsets[length] = code - place;
      lengths.forEach((of, symbol) => {
        if (of !== length) return;
        this.#symbols[place] = symbol;
        place += 1;
      });
      code += counts[length] ?? 0;
      this.#limits[length] = code - 1;
      code <<= 1;
    }
  }

  /** Reads the code lengths of `count` symbols. Yields null whenever it needs more bytes. */
  static *read(bits: BitReader, count: number): Generator<null, HuffmanTable> {
    const lengths = new Uint8Array(count);
    yield* bits.wait(2);
    let length = bits.read(5);
    for (let symbol = 0; symbol < count; symbol += 1) {
      for (;;) {
        if (bits.left < 2) yield* bits.wait(2);
        if (length < 1 || length > maxCodeLength) {
          throw new HeadwaterError('invalid', 'the bzip2 data is corrupt: a code has an impossible length');
        }
        if (bits.read(1) === 0) break;
        length += bits.read(1) === 0 ? 1 : -1;
      }
      lengths[symbol] = length;
    }
    return new HuffmanTable(lengths);
  }

  /** The next symbol. @throws HeadwaterError `invalid` for bits that are no code */
  decode(bits: BitReader): number {
    let length = this.#shortest;
    let code = bits.read(length);
    while (code > (this.#limits[length] ?? -1)) {
      length += 1;
      if (length > this.#longest) break;
      code = (code << 1) | bits.read(1);
    }
    const symbol = length > this.#longest ? undefined : this.#symbols[code - (this.#offsets[length] ?? 0)];
    if (symbol === undefined) {
      throw new HeadwaterError('invalid', 'the bzip2 data is corrupt: it has bits that are no code');
    }
    return symbol;
  }
}
