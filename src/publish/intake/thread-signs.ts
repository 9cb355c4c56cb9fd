/**
 * What a thread shows of its work in memory that it shares with who watches it: also while it is in the middle of something
 * and can send no message.
 */
export class ThreadSigns {
  readonly memory: SharedArrayBuffer;
  readonly #values: Int32Array;

  constructor(memory = new SharedArrayBuffer(3 * Int32Array.BYTES_PER_ELEMENT)) {
    this.memory = memory;
    this.#values = new Int32Array(memory);
  }

  /** Changes whenever the work has made progress. */
  get progress(): number {
    return Atomics.load(this.#values, 0);
  }

  /** Of small files that come together, the one that is looked into. */
  get file(): number {
    return Atomics.load(this.#values, 1);
  }

  /** It waits for the disk. */
  get waitsForDisk(): boolean {
    return Atomics.load(this.#values, 2) !== 0;
  }

  moveOn(): void {
    Atomics.add(this.#values, 0, 1);
  }

  beginFile(index: number): void {
    Atomics.store(this.#values, 1, index);
    this.moveOn();
  }

  /** Runs work that waits for the disk. */
  onDisk<Result>(work: () => Result): Result {
    Atomics.store(this.#values, 2, 1);
    try {
      return work();
    } finally {
      Atomics.store(this.#values, 2, 0);
    }
  }
}
