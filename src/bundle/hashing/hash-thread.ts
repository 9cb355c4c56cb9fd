import { Worker } from 'node:worker_threads';
import type { FromHashWorker, ToHashWorker } from './hash-messages.ts';

/** Bytes of a block: large enough that a message costs little compared to hashing it. */
const blockSize = 1024 * 1024;
/** How many blocks the source may be ahead of the hash. */
const blockCount = 6;

/** Starts a {@link HashThread} for some work, and ends it afterwards. */
export async function withHashThread<Result>(work: (thread: HashThread) => Promise<Result>): Promise<Result> {
  const thread = new HashThread();
  try {
    return await work(thread);
  } finally {
    await thread.close();
  }
}

/** Computes the SHA-256 of long sources, one after the other, in a thread of its own. */
export class HashThread {
  readonly #worker: Worker;
  readonly #memory = new SharedArrayBuffer(blockCount * blockSize);
  #free: number[] = [];
  #digest: string | undefined;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;
  /** The number of the source: what the thread says of an earlier one, which was left before its end, no longer counts. */
  #round = 0;

  /** @param program the program of the thread, if not `hash-worker.ts` */
  constructor(program = workerFile()) {
    this.#worker = new Worker(program);
    // It must not keep a process alive whose work has failed.
    this.#worker.unref();
    this.#worker.on('message', (message: FromHashWorker) => {
      if (message.round !== this.#round) return;
      if (message.type === 'hashed') this.#free.push(message.offset);
      else this.#digest = message.digest;
      this.#wake?.();
    });
    this.#worker.on('error', (error) => this.#fail(error));
    this.#worker.on('exit', () => this.#fail(new Error('the thread that hashes has ended')));
  }

  /**
   * Hashes the bytes of a source while they pass, in blocks.
   * @returns the same bytes. A block is valid until the next one is asked for
   */
  async *pass(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    this.#begin();
    let offset = await this.#place();
    let filled = 0;
    for await (const chunk of source) {
      for (let at = 0; at < chunk.length; ) {
        const part = chunk.subarray(at, at + blockSize - filled);
        new Uint8Array(this.#memory, offset + filled, part.length).set(part);
        filled += part.length;
        at += part.length;
        if (filled < blockSize) continue;
        yield this.#hash(offset, filled);
        offset = await this.#place();
        filled = 0;
      }
    }
    if (filled > 0) yield this.#hash(offset, filled);
  }

  /** The SHA-256 of a source that has passed, in hexadecimal. */
  async digest(): Promise<string> {
    this.#post({ type: 'end' });
    for (;;) {
      if (this.#digest !== undefined) return this.#digest;
      await this.#change();
    }
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #begin(): void {
    this.#digest = undefined;
    this.#round += 1;
    this.#free = Array.from({ length: blockCount }, (_, block) => block * blockSize);
    this.#post({ type: 'begin', memory: this.#memory, round: this.#round });
  }

  #hash(offset: number, length: number): Uint8Array {
    this.#post({ type: 'block', offset, length });
    return new Uint8Array(this.#memory, offset, length);
  }

  /** Waits for a block that is hashed. */
  async #place(): Promise<number> {
    for (;;) {
      const offset = this.#free.shift();
      if (offset !== undefined) return offset;
      await this.#change();
    }
  }

  async #change(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    this.#worker.ref();
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#worker.unref();
    if (this.#failure !== undefined) throw this.#failure;
  }

  #post(message: ToHashWorker): void {
    this.#worker.postMessage(message);
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#wake?.();
  }
}

// Under a test runner this module is TypeScript, which a worker thread cannot load: the built file stands in for it.
function workerFile(): URL {
  const built = import.meta.url.endsWith('.ts') ? '../../../dist/hash-worker.js' : './hash-worker.js';
  return new URL(built, import.meta.url);
}
