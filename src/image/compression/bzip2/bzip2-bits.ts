import { ByteQueue } from '../byte-queue.ts';

/** The bits of a stream that arrives in pieces, the highest bit of each byte first, as in bzip2. */
export class BitReader extends ByteQueue {
  #hold = 0;
  #held = 0;

  constructor() {
    super('bzip2');
  }

  /** The next `count` bits, at most 24, as a number. @throws HeadwaterError `invalid` past the end */
  read(count: number): number {
    while (this.#held < count) {
      const byte = this.bytes[this.position];
      if (byte === undefined) throw this.truncated();
      this.position += 1;
      this.#hold = (this.#hold << 8) | byte;
      this.#held += 8;
    }
    this.#held -= count;
    return (this.#hold >>> this.#held) & ((1 << count) - 1);
  }

  /** The next 32 bits, as an integer with a sign. */
  readInt32(): number {
    return (this.read(16) << 16) | this.read(16);
  }

  /** Skips the bits up to the next whole byte. */
  align(): void {
    this.#held -= this.#held % 8;
  }
}
