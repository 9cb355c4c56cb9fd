#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8';
import { run } from './cli/run.ts';

// WebAssembly (of the HTTP client, of xz) is compiled a second time, to be faster, when it has been used for a while. A
// process waits for that at its end, so a short one should not begin it; ten times the usual patience still is little.
setFlagsFromString('--wasm-tiering-budget=20000000');

// The reader of a pipe may leave when it has seen enough (`headwater list | head`).
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

process.exitCode = await run(process.argv.slice(2));
