import { run } from './cli/run.ts';

// What Headwater writes is its own: images and catalogs of private streams, keys. Explicit modes say so, too, where files are
// made; this is for those that libraries make.
process.umask(0o077);

// The reader of a pipe may leave when it has seen enough (`headwater list | head`). The work continues: to end here with 0
// would say that it is done.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

void run(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
