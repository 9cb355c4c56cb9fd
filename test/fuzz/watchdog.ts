import { Worker } from 'node:worker_threads';

// Code that hangs lets no timer run: another thread watches it.
const code = `
  const { workerData } = require('node:worker_threads');
  const { writeSync } = require('node:fs');
  const current = new Float64Array(workerData.shared);
  let last;
  setInterval(() => {
    if (current[0] === last) {
      writeSync(2, 'it hangs: --seed ' + last + ' --count 1\\n');
      process.kill(process.pid, 'SIGKILL');
    }
    last = current[0];
  }, workerData.limit);
`;

/**
 * Ends this process when a mutant takes too long.
 * @param limit milliseconds
 */
export function watchMutants(limit: number): { begin: (number: number) => void; end: () => Promise<void> } {
  const shared = new SharedArrayBuffer(8);
  const current = new Float64Array(shared);
  const worker = new Worker(code, { eval: true, workerData: { shared, limit } });
  worker.unref();
  return {
    begin: (number) => {
      current[0] = number;
    },
    end: async () => {
      await worker.terminate();
    },
  };
}
