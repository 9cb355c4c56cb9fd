import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { Batcher } from '../../async/batcher.ts';
import { type Outcome, outcomeOf } from '../../async/outcome.ts';
import { syncDirectory as syncOne } from '../../files/file-system.ts';

/**
 * The number of files from which one sync of the file system replaces a sync of each: for fewer files, their own syncs
 * are faster, and do not wait for the writes of other programs.
 */
const minPathsForOneSync = 8;

/** How long the shell stays idle before it ends, in milliseconds. */
const shellIdleTimeout = 1000;

type Shell = ChildProcessByStdio<Writable, Readable, null>;

/**
 * Makes files, or the names in directories, durable. Many that are requested together are made durable by one sync of the
 * file system (`sync -f`, syncfs(2)): a mirror run stores thousands of files of a few KiB, and a sync of each takes longer
 * than all the rest.
 */
export class GroupSync {
  readonly #directory: string;
  readonly #batches = new Batcher<readonly string[], void>((take) => this.#sync(take()), {
    oneAtATime: true,
  });
  #shell: Shell | undefined;
  #idle: NodeJS.Timeout | undefined;

  /** @param directory anything on the file system */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Resolves when the disk has the contents of files, or the names in directories. */
  async sync(paths: readonly string[]): Promise<void> {
    await this.#batches.do(paths);
  }

  /** Ends the shell; the next large batch starts another. */
  close(): void {
    clearTimeout(this.#idle);
    this.#shell?.stdin.end();
    this.#shell = undefined;
  }

  async #sync(batch: readonly (readonly string[])[]): Promise<Outcome<void>[]> {
    clearTimeout(this.#idle);
    try {
      if (batch.flat().length >= minPathsForOneSync && (await this.#syncFileSystem())) {
        return batch.map(() => ({ result: undefined }));
      }
      return await Promise.all(
        batch.map((paths) => outcomeOf(async () => void (await Promise.all(paths.map(syncOne))))),
      );
    } finally {
      if (this.#shell !== undefined) this.#idle = setTimeout(() => this.close(), shellIdleTimeout);
    }
  }

  async #syncFileSystem(): Promise<boolean> {
    this.#shell ??= startShell(this.#directory);
    return await syncFileSystem(this.#shell);
  }
}

/** Starts a shell that syncs a file system for each line it is sent: starting one costs more than a line. */
function startShell(directory: string): Shell {
  const script = 'while read -r _; do if sync -f "$1" 2>&-; then echo yes; else echo no; fi; done';
  const shell = spawn('sh', ['-c', script, 'sh', directory], { stdio: ['pipe', 'pipe', 'ignore'] });
  // Without a shell, or after it was killed, each file is synced individually.
  shell.on('error', () => undefined);
  shell.stdin.on('error', () => undefined);
  return shell;
}

/** @returns false when the sync failed: the files may or may not be on the disk */
async function syncFileSystem(shell: Shell): Promise<boolean> {
  if (shell.exitCode !== null || shell.signalCode !== null || shell.pid === undefined) return false;
  return await new Promise((resolve) => {
    const settle = (synced: boolean) => {
      shell.stdout.off('data', onData);
      shell.off('close', onClose);
      resolve(synced);
    };
    const onData = (answer: Buffer) => settle(answer.toString() === 'yes\n');
    const onClose = () => settle(false);
    shell.stdout.once('data', onData);
    shell.once('close', onClose);
    shell.stdin.write('\n');
  });
}
