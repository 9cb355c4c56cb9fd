import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { syncDirectory as syncOne } from '../../files/file-system.ts';

/**
 * From how many files on the disk is told once for all of them: for fewer it is quicker to tell it of each, and does
 * not wait for what other programs write to the same file system.
 */
const least = 8;

/** How long the shell waits for more to do, in milliseconds. */
const patience = 1000;

interface Waiting {
  paths: readonly string[];
  resolve: () => void;
  reject: (error: unknown) => void;
}

type Shell = ChildProcessByStdio<Writable, Readable, null>;

/**
 * Waits until the disk has files or the names in directories. Where many come at the same moment they are made
 * durable together, by one sync of the file system (`sync -f`, syncfs(2)): a mirror run brings thousands of files of a
 * few KiB, and a sync of each takes longer than all the rest.
 */
export class GroupSync {
  readonly #directory: string;
  #waiting: Waiting[] = [];
  #busy = false;
  #shell: Shell | undefined;
  #idle: NodeJS.Timeout | undefined;

  /** @param directory anything on the file system */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Resolves when the disk has what was written to files, or the names in directories. */
  async sync(paths: readonly string[]): Promise<void> {
    const synced = new Promise<void>((resolve, reject) => {
      this.#waiting.push({ paths, resolve, reject });
    });
    if (!this.#busy) void this.#syncAll();
    await synced;
  }

  /** Lets go of what it runs; it may be used again. */
  close(): void {
    clearTimeout(this.#idle);
    this.#shell?.stdin.end();
    this.#shell = undefined;
  }

  async #syncAll(): Promise<void> {
    this.#busy = true;
    clearTimeout(this.#idle);
    while (this.#waiting.length > 0) {
      // Whoever is about to come, comes along.
      await new Promise((resolve) => setImmediate(resolve));
      const group = this.#waiting;
      this.#waiting = [];
      const many = group.reduce((sum, { paths }) => sum + paths.length, 0) >= least;
      if (many && (await this.#syncFileSystem())) {
        for (const { resolve } of group) resolve();
      } else {
        await Promise.all(
          group.map(({ paths, resolve, reject }) =>
            Promise.all(paths.map(syncOne)).then(() => resolve(), reject),
          ),
        );
      }
    }
    this.#busy = false;
    if (this.#shell !== undefined) this.#idle = setTimeout(() => this.close(), patience);
  }

  async #syncFileSystem(): Promise<boolean> {
    this.#shell ??= startShell(this.#directory);
    return await syncFileSystem(this.#shell);
  }
}

/** A shell that syncs a file system for each line it is sent: starting it costs more than asking it. */
function startShell(directory: string): Shell {
  const script = 'while read -r _; do if sync -f "$1" 2>&-; then echo yes; else echo no; fi; done';
  const shell = spawn('sh', ['-c', script, 'sh', directory], { stdio: ['pipe', 'pipe', 'ignore'] });
  // Without a shell, or when it was killed, each file is synced by itself.
  shell.on('error', () => undefined);
  shell.stdin.on('error', () => undefined);
  return shell;
}

/** @returns false when it could not be done: the files may or may not be on the disk */
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
