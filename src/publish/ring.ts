import { Worker } from 'node:worker_threads';
import { HeadwaterError } from '../errors.ts';
import type { Examine, Found } from './examination.ts';
import type { FromWorker, ToWorker } from './intake-worker.ts';

/** Bytes of a slot when nothing else is said. Large enough that a message per slot costs nothing beside hashing it. */
const usualSlotSize = 2 * 1024 * 1024;
/** Slots of a ring: how far the sender may run ahead of the examination. */
const slotCount = 4;

/**
 * Keeps worker threads for examinations and lends them out; a thread costs some 50 ms to start, and a few MiB.
 */
export class WorkerPool {
  readonly #idle: Worker[] = [];
  readonly #most: number;

  /** @param most how many idle threads to keep */
  constructor(most: number) {
    this.#most = most;
  }

  lend(): Worker {
    const worker = this.#idle.pop() ?? new Worker(workerFile(), { name: 'intake' });
    worker.ref();
    return worker;
  }

  /** Gives a thread back, in good order or not. */
  giveBack(worker: Worker, reusable: boolean): void {
    // One by one: a Worker has listeners of its own, without which it stays silent ever after.
    for (const event of ['message', 'error', 'exit']) worker.removeAllListeners(event);
    if (reusable && this.#idle.length < this.#most) {
      worker.unref();
      this.#idle.push(worker);
    } else {
      void worker.terminate();
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#idle.splice(0).map((worker) => worker.terminate()));
  }
}

// Under a test runner this module is TypeScript, which a worker thread cannot load: the built file stands in for it.
function workerFile(): URL {
  const built = import.meta.url.endsWith('.ts') ? '../../dist/intake-worker.js' : './intake-worker.js';
  return new URL(built, import.meta.url);
}

/**
 * Hands bytes to one or more worker threads through memory they share. Every thread sees all of them; a slot is
 * used again when the last one has done with it.
 */
export class Ring {
  readonly #pool: WorkerPool;
  readonly #workers: Worker[];
  readonly #slotSize: number;
  readonly #memory: SharedArrayBuffer;
  readonly #free: number[] = [];
  readonly #pending = new Array<number>(slotCount).fill(0);
  readonly #found: Promise<Found[]>;
  #slot: number | undefined;
  #filled = 0;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(pool: WorkerPool, examinations: Examine[], slotSize = usualSlotSize) {
    this.#pool = pool;
    this.#slotSize = slotSize;
    this.#memory = new SharedArrayBuffer(slotCount * slotSize);
    for (let slot = 0; slot < slotCount; slot++) this.#free.push(slot);
    this.#workers = examinations.map((examine) => {
      const worker = pool.lend();
      this.#send(worker, { type: 'start', examine, ring: this.#memory, slotSize });
      return worker;
    });
    this.#found = Promise.all(this.#workers.map((worker) => this.#listen(worker)));
    this.#found.catch((error: Error) => {
      this.#failure = error;
      this.#wake?.();
    });
  }

  /** Copies bytes in; resolves when there is room for more. @throws what an examination failed with */
  async put(chunk: Uint8Array): Promise<void> {
    const slotSize = this.#slotSize;
    let offset = 0;
    while (offset < chunk.length) {
      const slot = this.#slot ?? (await this.#takeSlot());
      const length = Math.min(slotSize - this.#filled, chunk.length - offset);
      new Uint8Array(this.#memory, slot * slotSize + this.#filled, length).set(
        chunk.subarray(offset, offset + length),
      );
      offset += length;
      this.#filled += length;
      if (this.#filled === slotSize) this.#dispatch();
    }
  }

  /** No more bytes: resolves with what each examination found. @throws what an examination failed with */
  async end(): Promise<Found[]> {
    this.#dispatch();
    for (const worker of this.#workers) this.#send(worker, { type: 'end' });
    try {
      const found = await this.#found;
      for (const worker of this.#workers) this.#pool.giveBack(worker, true);
      return found;
    } catch (error) {
      this.abort();
      throw error;
    }
  }

  /** Gives up: the threads may be in the middle of anything, so they end. */
  abort(): void {
    for (const worker of this.#workers) this.#pool.giveBack(worker, false);
  }

  async #takeSlot(): Promise<number> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      const slot = this.#free.pop();
      if (slot !== undefined) {
        this.#slot = slot;
        this.#filled = 0;
        return slot;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #dispatch(): void {
    const slot = this.#slot;
    if (slot === undefined) return;
    this.#pending[slot] = this.#workers.length;
    for (const worker of this.#workers) this.#send(worker, { type: 'chunk', slot, length: this.#filled });
    this.#slot = undefined;
  }

  #listen(worker: Worker): Promise<Found> {
    return new Promise((resolve, reject) => {
      worker.on('message', (message: FromWorker) => {
        if (message.type === 'free') {
          const left = (this.#pending[message.slot] ?? 1) - 1;
          this.#pending[message.slot] = left;
          if (left > 0) return;
          this.#free.push(message.slot);
          this.#wake?.();
        } else if (message.type === 'found') {
          resolve(message.found);
        } else {
          reject(
            message.kind === undefined
              ? new Error(message.message)
              : new HeadwaterError(message.kind, message.message),
          );
        }
      });
      worker.on('error', reject);
      worker.on('exit', (code) => reject(new Error(`an intake thread ended with code ${code}`)));
    });
  }

  #send(worker: Worker, message: ToWorker): void {
    worker.postMessage(message);
  }
}
