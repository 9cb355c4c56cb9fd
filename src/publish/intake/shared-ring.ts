import type { ExaminationRequest, Findings } from './examination.ts';
import type { FromWorker } from './intake-messages.ts';
import type { Job } from './intake-thread.ts';
import type { IntakeThreads } from './intake-threads.ts';
import { giveBackRingMemory, takeRingMemory } from './ring-memory.ts';
import { unpackFailure } from './thread-error.ts';

/** The default size of a slot, in bytes. Large enough that a message per slot costs little compared to hashing it. */
const defaultSlotSize = 2 * 1024 * 1024;
/** Slots of a ring: how far the sender may run ahead of the examination. */
const slotCount = 4;

/** What a thread does with the bytes of a ring. */
interface ThreadWork {
  request: ExaminationRequest;
  /** In a thread that has work of other rings, too: for bytes that are only hashed. */
  shared: boolean;
  /** Whether its own thread can be reused for other files. */
  keep?: boolean;
}

/**
 * Hands bytes to one or more worker threads through memory they share. Every thread sees all of them; a slot is
 * used again when the last one has done with it.
 */
export class SharedRingBuffer {
  readonly #jobs: Job[];
  readonly #slotSize: number;
  readonly #memory: SharedArrayBuffer;
  readonly #free: number[] = [];
  readonly #pending = new Array<number>(slotCount).fill(0);
  readonly #found: Promise<Findings[]>;
  #slot: number | undefined;
  #filled = 0;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;
  /** The first thread writes the bytes to a file. */
  readonly #writesDown: boolean;
  #isGone = false;
  #isGivenBack = false;
  #onClosed: (() => void) | undefined;
  #aborted: Promise<void> | undefined;

  /**
   * @param works of each thread; only the first one may write the bytes down
   * @param options.slotSize bytes
   */
  constructor(threads: IntakeThreads, works: ThreadWork[], options: { slotSize?: number } = {}) {
    const { slotSize = defaultSlotSize } = options;
    this.#slotSize = slotSize;
    this.#memory = takeRingMemory(slotCount * slotSize);
    for (let slot = 0; slot < slotCount; slot++) this.#free.push(slot);
    this.#jobs = [];
    this.#writesDown = works[0]?.request.into !== undefined;
    const found = works.map(
      ({ request, shared, keep = true }) =>
        new Promise<Findings>((resolve, reject) => {
          const start = { type: 'start' as const, request, ring: this.#memory, slotSize };
          const listener = (message: FromWorker | Error) => this.#hear(message, resolve, reject);
          this.#jobs.push(
            shared ? threads.beginShared(start, listener) : threads.beginOwn(start, listener, { keep }),
          );
        }),
    );
    this.#found = Promise.all(found);
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
  async end(): Promise<Findings[]> {
    this.#dispatch();
    for (const job of this.#jobs) job.send({ type: 'end' });
    try {
      const found = await this.#found;
      for (const job of this.#jobs) job.close(true);
      this.#giveBack();
      return found;
    } catch (error) {
      await this.abort();
      throw error;
    }
  }

  /** Stops, at any time; resolves when the bytes so far are written, if they are to be. */
  async abort(): Promise<void> {
    this.#aborted ??= this.#abort();
    await this.#aborted;
  }

  async #abort(): Promise<void> {
    const [writer] = this.#jobs;
    if (writer !== undefined && this.#writesDown && !this.#isGone) {
      this.#dispatch();
      await new Promise<void>((resolve) => {
        this.#onClosed = resolve;
        writer.send({ type: 'abort' });
      });
    }
    for (const job of this.#jobs) job.close(false);
    // A thread that has not ended yet may read bytes of another ring from here on: its result is ignored, and it has
    // written everything that it writes.
    this.#giveBack();
  }

  /** Only once: afterwards, the memory belongs to another ring. */
  #giveBack(): void {
    if (this.#isGivenBack) return;
    this.#isGivenBack = true;
    giveBackRingMemory(this.#memory);
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
    this.#pending[slot] = this.#jobs.length;
    for (const job of this.#jobs) job.send({ type: 'chunk', slot, length: this.#filled });
    this.#slot = undefined;
  }

  #hear(
    message: FromWorker | Error,
    resolve: (found: Findings) => void,
    reject: (error: Error) => void,
  ): void {
    if (message instanceof Error) {
      this.#isGone = true;
      reject(message);
      this.#onClosed?.();
    } else if (message.type === 'aborted') {
      this.#onClosed?.();
    } else if (message.type === 'free') {
      const left = (this.#pending[message.slot] ?? 1) - 1;
      this.#pending[message.slot] = left;
      if (left > 0) return;
      this.#free.push(message.slot);
      this.#wake?.();
    } else if (message.type === 'found') {
      resolve(message.found);
    } else if (message.type === 'failed') {
      reject(unpackFailure(message.failure));
    }
  }
}
