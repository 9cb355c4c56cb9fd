// Works as intake-worker.ts does, but hangs on bytes that contain what the file HANG_ON holds (in hexadecimal).
import '../../../dist/intake-worker.js';
import { existsSync, readFileSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';

let ring;
let slotSize;

parentPort.on('message', (message) => {
  if (message.type === 'start') ({ ring, slotSize } = message);
  if (message.type !== 'chunk' || !existsSync(process.env.HANG_ON)) return;
  const wanted = Buffer.from(readFileSync(process.env.HANG_ON, 'utf8'), 'hex');
  if (Buffer.from(ring, message.slot * slotSize, message.length).includes(wanted)) for (;;);
});
