// Stands in for intake-worker.ts: hangs, ends or answers as a file's bytes say.
import { parentPort, workerData } from 'node:worker_threads';

const signs = new Int32Array(workerData);

function examine(text) {
  if (text.startsWith('hang')) for (;;);
  if (text.startsWith('crash')) throw new Error('it broke');
  return { digest: '0'.repeat(64), content: { kind: 'vcdiff', compression: 'none' } };
}

parentPort.on('message', (message) => {
  const { type, job } = message;
  if (type === 'small') {
    const outcomes = message.files.map(({ start, end }, index) => {
      Atomics.store(signs, 1, index);
      return { found: examine(Buffer.from(message.bytes, start, end - start).toString()) };
    });
    parentPort.postMessage({ type: 'taken', job, outcomes });
  } else if (type === 'chunk') {
    examine(Buffer.from(ring, message.slot * slotSize, message.length).toString());
    parentPort.postMessage({ type: 'free', job, slot: message.slot });
  } else if (type === 'start') {
    ring = message.ring;
    slotSize = message.slotSize;
  } else if (type === 'end') parentPort.postMessage({ type: 'found', job, found: examine('') });
});

let ring;
let slotSize;
