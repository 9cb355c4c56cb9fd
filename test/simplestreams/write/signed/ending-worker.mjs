import { parentPort } from 'node:worker_threads';

// Stands in for the thread that signs: it gives bytes back, and ends at those that begin with 0.
parentPort.on('message', ({ id, question }) => {
  if (question.type === 'open') parentPort.postMessage({ id, answer: true });
  else if (question.bytes[0] === 0) process.exit(7);
  else parentPort.postMessage({ id, answer: question.bytes });
});
