import { run } from './cli/run.ts';

// Files of Headwater are private: images and catalogs of private streams, keys. Its own code sets explicit modes; the umask
// covers files that libraries create.
process.umask(0o077);

// The reader of a pipe may close it early (`headwater list | head`). The work continues: ending here with 0 would claim that
// it is finished.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

void run(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
