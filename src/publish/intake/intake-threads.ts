import { availableParallelism } from 'node:os';
import type { Beginning } from './intake-messages.ts';
import { IntakeThread, type Job, type Listener } from './intake-thread.ts';

/**
 * Keeps the threads that examine files. A thread takes some 100 ms of computing to start, and a few MiB. Bytes that are
 * only hashed share as many threads as there are processors. A file that is looked into has a thread of its own: what
 * is wrong with it, up to a thread that has to be ended, is wrong with no other. The caller bounds their number
 * (`examination-places.ts`).
 */
export class IntakeThreads {
  readonly #sharedMost = Math.max(2, availableParallelism());
  readonly #all = new Set<IntakeThread>();
  readonly #shared = new Set<IntakeThread>();
  readonly #idle: IntakeThread[] = [];
  readonly #idleMost: number;
  readonly #idleTimeout: number;
  readonly #program: URL | undefined;

  /**
   * @param options.idleMost how many idle threads to keep, beside those that are shared
   * @param options.idleTimeout milliseconds without progress after which a thread is ended
   * @param options.program what they run, when that is not `intake-worker.ts`
   */
  constructor(options: { idleMost: number; idleTimeout: number; program?: URL | undefined }) {
    this.#idleMost = options.idleMost;
    this.#idleTimeout = options.idleTimeout;
    this.#program = options.program;
  }

  /** Hashes bytes in a shared thread. */
  beginShared(beginning: Beginning, listener: Listener): Job {
    return this.#leastBusy().begin(beginning, listener, () => undefined);
  }

  /** @param options.keep whether the thread can be reused for other files */
  beginOwn(beginning: Beginning, listener: Listener, options: { keep: boolean } = { keep: true }): Job {
    const thread = this.#idle.pop() ?? this.#start();
    return thread.begin(beginning, listener, (finished) => {
      // An abandoned thread may be in any state.
      if (finished && options.keep && !thread.isGone && this.#idle.length < this.#idleMost) {
        this.#idle.push(thread);
      } else void thread.terminate();
    });
  }

  /** Ends all threads; their jobs fail. */
  async close(): Promise<void> {
    await Promise.all([...this.#all].map((thread) => thread.terminate()));
  }

  #leastBusy(): IntakeThread {
    const [least] = [...this.#shared].sort((one, other) => one.load - other.load);
    if (least !== undefined && (least.load === 0 || this.#shared.size >= this.#sharedMost)) return least;
    const thread = this.#start();
    this.#shared.add(thread);
    return thread;
  }

  #start(): IntakeThread {
    const onGone = () => {
      this.#all.delete(thread);
      this.#shared.delete(thread);
      const index = this.#idle.indexOf(thread);
      if (index >= 0) this.#idle.splice(index, 1);
    };
    const thread: IntakeThread = new IntakeThread({
      idleTimeout: this.#idleTimeout,
      program: this.#program,
      onGone,
    });
    this.#all.add(thread);
    return thread;
  }
}
