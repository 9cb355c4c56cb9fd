import { closeSync, openSync, readSync, writeFileSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { fileError } from '../../files/file-error.ts';
import { provideLiblzma } from '../../image/compression/xz/liblzma.ts';
import { defined } from '../../model/defined.ts';
import { SplitJob } from '../split/split-job.ts';
import { Unpackers } from '../unpacking/unpackers.ts';
import { Examination } from './examination.ts';
import { takeSmallFile } from './examine-small.ts';
import type { FromWorker, ToWorker } from './intake-messages.ts';
import { packFailure } from './thread-error.ts';
import { ThreadSigns } from './thread-signs.ts';

// Examinations, each of bytes that come in the slots of a ring of its own (`ring.ts`), of a file on the local disk, or of
// small files that come together (`intake-batches.ts`); and unified images that are split (`split-thread.ts`).

const port = parentPort;
if (port === null) throw new Error('intake-worker.ts runs only as a worker thread');
const reply = (message: FromWorker) => port.postMessage(message);
const unpackers = new Unpackers((request) => port.postMessage(request));
provideLiblzma((options) => unpackers.connect(options));
const shared: SharedArrayBuffer = workerData;
const signs = new ThreadSigns(shared);

/** Takes the messages of a job, one after the other. */
interface Job {
  take(message: ToWorker): void;
  /** More may be said to it after the end of its bytes; it ends with its thread. */
  readonly staysOpen?: true;
}

/** One examination. */
class ExaminationJob implements Job {
  readonly #id: number;
  readonly #ring: SharedArrayBuffer;
  readonly #slotSize: number;
  readonly #examination: Promise<Examination>;
  #queue = Promise.resolve();
  #over = false;

  constructor({ job, request, ring, slotSize }: Extract<ToWorker, { type: 'start' }>) {
    this.#id = job;
    this.#ring = ring;
    this.#slotSize = slotSize;
    this.#examination = Examination.start(request, signs);
    // The receiver of the first message gets the error.
    this.#examination.catch(() => undefined);
  }

  take(message: ToWorker): void {
    this.#queue = this.#queue.then(() => this.#handle(message)).catch((error: unknown) => this.#fail(error));
  }

  async #handle(message: ToWorker): Promise<void> {
    if (message.type === 'abort') {
      await this.#abort();
      return;
    }
    const examination = await this.#examination;
    if (message.type === 'chunk') {
      const { slot, length } = message;
      if (!this.#over) {
        await examination.update(new Uint8Array(this.#ring, slot * this.#slotSize, length));
      }
      reply({ type: 'free', job: this.#id, slot });
    } else if (!this.#over) {
      this.#over = true;
      reply({ type: 'found', job: this.#id, found: await examination.end() });
    }
  }

  /** @throws the error of writing */
  async #abort(): Promise<void> {
    this.#over = true;
    try {
      (await this.#examination).abort();
    } finally {
      reply({ type: 'aborted', job: this.#id });
    }
  }

  async #fail(error: unknown): Promise<void> {
    this.#over = true;
    reply({ type: 'failed', job: this.#id, failure: packFailure(error) });
    const examination = await this.#examination.catch(() => undefined);
    examination?.abort();
  }
}

/** One after the other: the xz library takes one stream at a time in a thread. */
async function takeAll({ job, bytes, files }: Extract<ToWorker, { type: 'small' }>): Promise<void> {
  const part = ({ start, end }: { start: number; end: number }) => new Uint8Array(bytes, start, end - start);
  const outcomes: Extract<FromWorker, { type: 'taken' }>['outcomes'] = [];
  for (const [index, file] of files.entries()) {
    signs.beginFile(index);
    const { after, into } = file;
    const small = {
      bytes: part(file),
      ...(after === undefined ? {} : { after: part(after) }),
      ...defined({ into }),
    };
    try {
      outcomes.push({ found: await takeSmallFile(small, { write, onProgress: () => signs.moveOn() }) });
    } catch (error) {
      outcomes.push({ failure: packFailure(error) });
    }
  }
  reply({ type: 'taken', job, outcomes });
}

/** A file may exist already, from a thread that was ended later. */
function write(path: string, bytes: Uint8Array): void {
  try {
    signs.onDisk(() => writeFileSync(path, bytes, { mode: 0o600 }));
  } catch (error) {
    throw fileError(error, { path, doing: 'write' });
  }
}

/** Bytes of a file that are read at a time. */
const readSize = 1024 * 1024;

/** A complete file. */
async function takeFile({ job, request, path }: Extract<ToWorker, { type: 'file' }>): Promise<void> {
  try {
    const examination = await Examination.start(request, signs);
    for (const chunk of chunksOf(path)) await examination.update(chunk);
    reply({ type: 'found', job, found: await examination.end() });
  } catch (error) {
    reply({ type: 'failed', job, failure: packFailure(error) });
  }
}

/** Each chunk is overwritten by the next. @throws HeadwaterError the error of the disk */
function* chunksOf(path: string): Generator<Uint8Array> {
  const reading = <Result>(work: () => Result): Result => {
    try {
      return signs.onDisk(work);
    } catch (error) {
      throw fileError(error, { path, doing: 'read' });
    }
  };
  const descriptor = reading(() => openSync(path, 'r'));
  try {
    const buffer = Buffer.allocUnsafeSlow(readSize);
    for (;;) {
      const length = reading(() => readSync(descriptor, buffer, 0, readSize, null));
      if (length === 0) return;
      yield buffer.subarray(0, length);
    }
  } finally {
    closeSync(descriptor);
  }
}

const jobs = new Map<number, Job>();
let taking = Promise.resolve();

port.on('message', (message: ToWorker) => {
  if (message.type === 'unpacker-ended') unpackers.ended(message);
  else if (message.type === 'small') taking = taking.then(() => takeAll(message));
  else if (message.type === 'file') void takeFile(message);
  else if (message.type === 'start') jobs.set(message.job, new ExaminationJob(message));
  else if (message.type === 'split') jobs.set(message.job, new SplitJob(message, { reply, signs }));
  else if (jobs.has(message.job)) jobs.get(message.job)?.take(message);
  // A job at its end has written everything.
  else if (message.type === 'abort') reply({ type: 'aborted', job: message.job });
  const isOver = message.type === 'abort' || message.type === 'end';
  if (isOver && jobs.get(message.job)?.staysOpen !== true) jobs.delete(message.job);
});
