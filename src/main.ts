import { run } from './cli/run.ts';

// The reader of a pipe may leave when it has seen enough (`headwater list | head`). The work continues: to end here with 0
// would say that it is done.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

void run(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
