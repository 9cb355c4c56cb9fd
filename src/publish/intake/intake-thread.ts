import { performance } from 'node:perf_hooks';
import { Worker } from 'node:worker_threads';
import { codeOf, HeadwaterError, LimitError } from '../../errors.ts';
import { UnpackingProcesses } from '../unpacking/unpacking-processes.ts';
import type { Beginning, FromWorker, ToWorker, UnpackerRequest } from './intake-messages.ts';
import { ThreadSigns } from './thread-signs.ts';

/** A thread ended while it had work: what became of it, and of small files that came together, at which one it was. */
export class LostThread extends LimitError {
  readonly file: number;

  constructor(message: string, options: { file: number; disk?: boolean; cause?: unknown }) {
    super('examinationTimeout', options.disk === true ? 'unavailable' : 'invalid', message, {
      cause: options.cause,
    });
    this.file = options.file;
  }
}

/** The result of a job, or the failure of its thread. */
export type Listener = (message: FromWorker | Error) => void;

/** Work that a thread has been given. */
export interface Job {
  send(
    message:
      | { type: 'chunk'; slot: number; length: number }
      | { type: 'bytes'; bytes: Uint8Array }
      | { type: 'next' | 'end' | 'abort' },
  ): void;
  /** The thread has no more to do with it. @param finished whether it was done to its end */
  close(finished: boolean): void;
}

/** Messages that the thread answers. */
const asking = new Set<ToWorker['type']>(['chunk', 'bytes', 'end', 'small', 'file']);
/** What it answers them with. */
const answers = new Set<FromWorker['type']>(['free', 'room', 'found', 'split', 'failed', 'taken']);

interface JobState {
  listener: Listener;
  /** The number of results that are due. */
  asked: number;
  /** Whether the thread waits for the main thread. */
  waits: boolean;
}

/**
 * V8's memory for a thread, in MiB; files are held elsewhere. One that needs more is ended, instead of the process.
 */
const heapSize = 512;
/**
 * Of that, MiB for young objects. V8 lets twice as much memory of buffers pile up before it collects: by default some 30 MiB in
 * each thread.
 */
const youngHeapSize = 6;

/**
 * A thread that examines files: a job each. One that has work and makes no progress for too long is ended; so is one in
 * which something breaks: its jobs fail then.
 */
export class IntakeThread {
  readonly #signs = new ThreadSigns();
  readonly #worker: Worker;
  readonly #jobs = new Map<number, JobState>();
  readonly #processes = new UnpackingProcesses();
  readonly #idleTimeout: number;
  readonly #onGone: () => void;
  #last = 0;
  #isGone = false;
  #watch: NodeJS.Timeout | undefined;
  #seen = { progress: 0, at: 0 };

  /**
   * @param options.idleTimeout milliseconds without progress after which it is ended
   * @param options.program what it runs, when that is not `intake-worker.ts`
   */
  constructor(options: { idleTimeout: number; program: URL | undefined; onGone: () => void }) {
    this.#idleTimeout = options.idleTimeout;
    this.#onGone = options.onGone;
    this.#worker = new Worker(options.program ?? workerFile(), {
      name: 'intake',
      workerData: this.#signs.memory,
      resourceLimits: { maxOldGenerationSizeMb: heapSize, maxYoungGenerationSizeMb: youngHeapSize },
    });
    this.#worker.on('message', (message: FromWorker | UnpackerRequest) => {
      if (message.type === 'unpacker') this.#startUnpacker(message);
      else this.#hear(message);
    });
    this.#worker.on('error', (error: Error) => this.#fail(this.#broken(error)));
    this.#worker.on('exit', (code) =>
      this.#fail(this.#lost(`its examination ended a thread, with the exit code ${code}`)),
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

  /** @param onClose called once, when the job has ended or was abandoned */
  begin(beginning: Beginning, listener: Listener, onClose: (finished: boolean) => void): Job {
    const job = ++this.#last;
    this.#jobs.set(job, { listener, asked: 0, waits: false });
    this.#worker.ref();
    // The bytes for the thread are transferred, not copied.
    this.#send({ job, ...beginning }, beginning.type === 'small' ? [beginning.bytes] : []);
    return {
      send: (message) => this.#send({ job, ...message }),
      close: (finished) => {
        if (!this.#jobs.delete(job)) return;
        if (!finished) this.#send({ type: 'abort', job });
        if (this.#jobs.size === 0) this.#worker.unref();
        this.#look();
        onClose(finished);
      },
    };
  }

  async terminate(): Promise<void> {
    const ended = this.#worker.terminate();
    this.#fail(new HeadwaterError('aborted', 'the process is ending'));
    await ended;
  }

  #send(message: ToWorker, transferred: ArrayBuffer[] = []): void {
    if (this.#isGone) return;
    const job = this.#jobs.get(message.job);
    if (job !== undefined && asking.has(message.type)) job.asked += 1;
    if (job !== undefined && message.type === 'next') job.waits = false;
    this.#worker.postMessage(message, transferred);
    this.#look();
  }

  #startUnpacker({ unpacker, path, options }: UnpackerRequest): void {
    if (this.#isGone) return;
    this.#processes.start(path, options, (reason) => {
      if (!this.#isGone) this.#worker.postMessage({ type: 'unpacker-ended', job: 0, unpacker, reason });
    });
  }

  #hear(message: FromWorker): void {
    const job = this.#jobs.get(message.job);
    if (job === undefined) return;
    if (answers.has(message.type)) job.asked -= 1;
    if (message.type === 'piece') job.waits = true;
    this.#signs.moveOn();
    job.listener(message);
    this.#look();
  }

  /** Watches the thread as long as a result is due. A thread that waits for bytes makes no progress. */
  #look(): void {
    const owes = !this.#isGone && [...this.#jobs.values()].some(({ asked, waits }) => asked > 0 && !waits);
    if (!owes) {
      clearInterval(this.#watch);
      this.#watch = undefined;
    } else if (this.#watch === undefined) {
      this.#seen = { progress: this.#signs.progress, at: performance.now() };
      this.#watch = setInterval(() => this.#check(), this.#idleTimeout / 4).unref();
    }
  }

  #check(): void {
    const { progress } = this.#signs;
    const now = performance.now();
    if (progress !== this.#seen.progress) {
      this.#seen = { progress, at: now };
      return;
    }
    if (now - this.#seen.at < this.#idleTimeout) return;
    const seconds = this.#idleTimeout / 1000;
    const disk = this.#signs.waitsForDisk;
    const error = this.#lost(
      disk
        ? `the disk accepted no bytes for ${seconds} s`
        : `its examination made no progress for ${seconds} s (limits.examinationTimeout): the file is damaged, or made to waste time`,
    );
    void this.#worker.terminate();
    this.#fail(error);
  }

  #broken(error: Error): HeadwaterError {
    if (codeOf(error) === 'ERR_WORKER_INIT_FAILED') {
      const message = `no thread can be started to examine files: ${error.message}`;
      return new HeadwaterError('unavailable', message, { cause: error });
    }
    return this.#lost(`its examination ended a thread: ${error.message}`, error);
  }

  #lost(message: string, cause?: unknown): LostThread {
    return new LostThread(message, { file: this.#signs.file, disk: this.#signs.waitsForDisk, cause });
  }

  #fail(error: Error): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#processes.kill();
    this.#look();
    this.#onGone();
    for (const { listener } of [...this.#jobs.values()]) listener(error);
  }
}

// Under a test runner this module is TypeScript, which a worker thread cannot load: the built file stands in for it.
function workerFile(): URL {
  const built = import.meta.url.endsWith('.ts') ? '../../../dist/intake-worker.js' : './intake-worker.js';
  return new URL(built, import.meta.url);
}
