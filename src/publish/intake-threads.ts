import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Beginning, FromWorker, ToWorker } from './intake-worker.ts';

/** What a thread says of a job, or what became of the thread. */
type Listener = (message: FromWorker | Error) => void;

/** Work that a thread has been given. */
export interface Job {
  send(message: { type: 'chunk'; slot: number; length: number } | { type: 'end' | 'abort' }): void;
  /** The thread has no more to do with it. @param finished whether it was done to its end */
  close(finished: boolean): void;
}

/** A thread that examines files: a job each. */
class IntakeThread {
  readonly #worker = new Worker(workerFile(), { name: 'intake' });
  readonly #jobs = new Map<number, Listener>();
  #last = 0;
  #isGone = false;

  constructor(onGone: () => void) {
    this.#worker.on('message', (message: FromWorker) => this.#jobs.get(message.job)?.(message));
    this.#worker.on('error', (error) => this.#fail(error as Error, onGone));
    this.#worker.on('exit', (code) =>
      this.#fail(new Error(`an intake thread ended with code ${code}`), onGone),
    );
    this.#worker.unref();
  }

  /** It has ended, and takes no more jobs. */
  get isGone(): boolean {
    return this.#isGone;
  }

  /** Jobs that it has. */
  get load(): number {
    return this.#jobs.size;
  }

  /** @param onClose called once, when the job is done with or given up */
  begin(beginning: Beginning, listener: Listener, onClose: (finished: boolean) => void): Job {
    const job = ++this.#last;
    this.#jobs.set(job, listener);
    this.#worker.ref();
    // What is packed for the thread changes hands instead of being copied.
    this.#send({ job, ...beginning }, beginning.type === 'small' ? [beginning.bytes] : []);
    return {
      send: (message) => this.#send({ job, ...message }),
      close: (finished) => {
        if (!this.#jobs.delete(job)) return;
        if (!finished) this.#send({ type: 'abort', job });
        if (this.#jobs.size === 0) this.#worker.unref();
        onClose(finished);
      },
    };
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }

  #send(message: ToWorker, transferred: ArrayBuffer[] = []): void {
    this.#worker.postMessage(message, transferred);
  }

  #fail(error: Error, onGone: () => void): void {
    this.#isGone = true;
    onGone();
    for (const listener of this.#jobs.values()) listener(error);
  }
}

/**
 * Keeps the threads that examine files. A thread takes some 100 ms of computing to start, and a few MiB: files whose
 * bytes are only hashed share as many as there are processors. One that is unpacked has a thread of its own, since the
 * xz library takes one stream at a time in a thread, and a slow sender must not hold up another. Small files, which are there
 * as a whole, share one.
 */
export class IntakeThreads {
  readonly #sharedMost = Math.max(2, availableParallelism());
  readonly #shared = new Set<IntakeThread>();
  readonly #idle: IntakeThread[] = [];
  #small: IntakeThread | undefined;
  readonly #idleMost: number;

  /** @param idleMost how many idle threads to keep, beside those that are shared */
  constructor(idleMost: number) {
    this.#idleMost = idleMost;
  }

  /** Whether the thread for small files is there: it need not be started first. */
  get haveSmall(): boolean {
    return this.#small !== undefined;
  }

  begin(kind: 'shared' | 'own' | 'small', beginning: Beginning, listener: Listener): Job {
    if (kind === 'small') {
      this.#small ??= this.#start();
      return this.#small.begin(beginning, listener, () => undefined);
    }
    if (kind === 'shared') return this.#leastBusy().begin(beginning, listener, () => undefined);
    const thread = this.#idle.pop() ?? this.#start();
    return thread.begin(beginning, listener, (finished) => {
      // One that was given up may be in the middle of anything.
      if (finished && !thread.isGone && this.#idle.length < this.#idleMost) this.#idle.push(thread);
      else void thread.terminate();
    });
  }

  async close(): Promise<void> {
    const small = this.#small === undefined ? [] : [this.#small];
    const threads = [...this.#shared, ...small, ...this.#idle.splice(0)];
    this.#shared.clear();
    this.#small = undefined;
    await Promise.all(threads.map((thread) => thread.terminate()));
  }

  #leastBusy(): IntakeThread {
    const [least] = [...this.#shared].sort((one, other) => one.load - other.load);
    if (least !== undefined && (least.load === 0 || this.#shared.size >= this.#sharedMost)) return least;
    const thread = this.#start();
    this.#shared.add(thread);
    return thread;
  }

  #start(): IntakeThread {
    const thread: IntakeThread = new IntakeThread(() => {
      this.#shared.delete(thread);
      if (this.#small === thread) this.#small = undefined;
      const index = this.#idle.indexOf(thread);
      if (index >= 0) this.#idle.splice(index, 1);
    });
    return thread;
  }
}

// Under a test runner this module is TypeScript, which a worker thread cannot load: the built file stands in for it.
function workerFile(): URL {
  const built = import.meta.url.endsWith('.ts') ? '../../dist/intake-worker.js' : './intake-worker.js';
  return new URL(built, import.meta.url);
}
