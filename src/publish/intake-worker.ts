import { parentPort } from 'node:worker_threads';
import { type ErrorKind, HeadwaterError, messageOf } from '../errors.ts';
import { Examination, type Examine, type Found } from './examination.ts';

// One examination after another, each of bytes that come in the slots of a shared ring (`intake.ts`).

export type ToWorker =
  | { type: 'start'; examine: Examine; ring: SharedArrayBuffer; slotSize: number }
  | { type: 'chunk'; slot: number; length: number }
  | { type: 'end' }
  | { type: 'abort' };

export type FromWorker =
  | { type: 'free'; slot: number }
  | { type: 'found'; found: Found }
  | { type: 'failed'; kind?: ErrorKind; message: string };

interface Job {
  examination: Examination;
  ring: SharedArrayBuffer;
  slotSize: number;
  failed: boolean;
}

const port = parentPort;
if (port === null) throw new Error('intake-worker.ts runs only as a worker thread');
const reply = (message: FromWorker) => port.postMessage(message);

let job: Job | undefined;
let queue = Promise.resolve();

port.on('message', (message: ToWorker) => {
  queue = queue.then(() => handle(message));
});

async function handle(message: ToWorker): Promise<void> {
  if (message.type === 'start') {
    const { examine, ring, slotSize } = message;
    job = { examination: await Examination.start(examine), ring, slotSize, failed: false };
    return;
  }
  if (job === undefined) return;
  try {
    if (message.type === 'chunk') {
      if (!job.failed) {
        await job.examination.update(new Uint8Array(job.ring, message.slot * job.slotSize, message.length));
      }
      reply({ type: 'free', slot: message.slot });
    } else if (message.type === 'end') {
      const { examination, failed } = job;
      job = undefined;
      if (!failed) reply({ type: 'found', found: await examination.end() });
    } else {
      job.examination.abort();
      job = undefined;
    }
  } catch (error) {
    if (job !== undefined) {
      job.failed = true;
      job.examination.abort();
    }
    reply({
      type: 'failed',
      message: messageOf(error),
      ...(error instanceof HeadwaterError ? { kind: error.kind } : {}),
    });
  }
}
