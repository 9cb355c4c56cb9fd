import { createHash } from 'node:crypto';

/** Memory that collects bytes until they are enough for a part; reused for one part after another. */
export class PartBuffer {
  readonly #memory: Buffer;
  #filled = 0;
  #hash = createHash('sha256');

  /** @param size bytes */
  constructor(size: number) {
    // A pool would keep all of its memory for a small part.
    this.#memory = Buffer.allocUnsafeSlow(size);
  }

  get isFull(): boolean {
    return this.#filled === this.#memory.length;
  }

  /** Its capacity in bytes. */
  get capacity(): number {
    return this.#memory.length;
  }

  /** Copies as much of a chunk as there is room for. @returns the rest */
  add(chunk: Uint8Array): Uint8Array {
    const taken = chunk.subarray(0, this.#memory.length - this.#filled);
    this.#memory.set(taken, this.#filled);
    this.#hash.update(taken);
    this.#filled += taken.length;
    return chunk.subarray(taken.length);
  }

  /** Returns the collected bytes and their SHA-256, and starts the next part: use the bytes before the next `add`. */
  take(): { bytes: Buffer; sha256: string } {
    const taken = { bytes: this.#memory.subarray(0, this.#filled), sha256: this.#hash.digest('hex') };
    this.#filled = 0;
    this.#hash = createHash('sha256');
    return taken;
  }
}
