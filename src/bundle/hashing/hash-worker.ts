import { createHash } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import type { FromHashWorker, ToHashWorker } from './hash-messages.ts';

// Hashes the blocks that another thread puts into shared memory.

const port = parentPort;
if (port === null) throw new Error('hash-worker.ts runs only as a worker thread');

let memory = new SharedArrayBuffer(0);
let hash = createHash('sha256');
let round = 0;

port.on('message', (message: ToHashWorker) => {
  switch (message.type) {
    case 'begin':
      ({ memory, round } = message);
      hash = createHash('sha256');
      return;
    case 'block':
      hash.update(new Uint8Array(memory, message.offset, message.length));
      port.postMessage({ type: 'hashed', offset: message.offset, round } satisfies FromHashWorker);
      return;
    case 'end':
      port.postMessage({ type: 'digest', digest: hash.digest('hex'), round } satisfies FromHashWorker);
  }
});
