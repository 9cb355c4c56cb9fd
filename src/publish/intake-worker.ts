import { parentPort } from 'node:worker_threads';
import { type ErrorKind, HeadwaterError, messageOf } from '../errors.ts';
import { Examination, type Examine, type Found } from './examination.ts';

// Examinations, each of bytes that come in the slots of a ring of its own (`ring.ts`).

export type ToWorker = { job: number } & (
  | { type: 'start'; examine: Examine; ring: SharedArrayBuffer; slotSize: number }
  | { type: 'chunk'; slot: number; length: number }
  | { type: 'end' }
  | { type: 'abort' }
);

export type FromWorker = { job: number } & (
  | { type: 'free'; slot: number }
  | { type: 'found'; found: Found }
  | { type: 'failed'; kind?: ErrorKind; message: string }
);

const port = parentPort;
if (port === null) throw new Error('intake-worker.ts runs only as a worker thread');
const reply = (message: FromWorker) => port.postMessage(message);

/** One examination: takes its messages one after the other. */
class Job {
  readonly #id: number;
  readonly #ring: SharedArrayBuffer;
  readonly #slotSize: number;
  readonly #examination: Promise<Examination>;
  #queue = Promise.resolve();
  #over = false;

  constructor({ job, examine, ring, slotSize }: Extract<ToWorker, { type: 'start' }>) {
    this.#id = job;
    this.#ring = ring;
    this.#slotSize = slotSize;
    this.#examination = Examination.start(examine);
    // Who takes the first message is told.
    this.#examination.catch(() => undefined);
  }

  take(message: ToWorker): void {
    this.#queue = this.#queue.then(() => this.#handle(message)).catch((error: unknown) => this.#fail(error));
  }

  async #handle(message: ToWorker): Promise<void> {
    const examination = await this.#examination;
    if (message.type === 'chunk') {
      const { slot, length } = message;
      if (!this.#over) {
        await examination.update(new Uint8Array(this.#ring, slot * this.#slotSize, length));
      }
      reply({ type: 'free', job: this.#id, slot });
    } else if (!this.#over) {
      this.#over = true;
      if (message.type === 'end') reply({ type: 'found', job: this.#id, found: await examination.end() });
      else examination.abort();
    }
  }

  async #fail(error: unknown): Promise<void> {
    this.#over = true;
    reply({
      type: 'failed',
      job: this.#id,
      message: messageOf(error),
      ...(error instanceof HeadwaterError ? { kind: error.kind } : {}),
    });
    const examination = await this.#examination.catch(() => undefined);
    examination?.abort();
  }
}

const jobs = new Map<number, Job>();

port.on('message', (message: ToWorker) => {
  if (message.type === 'start') jobs.set(message.job, new Job(message));
  else jobs.get(message.job)?.take(message);
  if (message.type === 'end' || message.type === 'abort') jobs.delete(message.job);
});
