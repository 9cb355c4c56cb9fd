import { close, closeSync, constants, fdatasync, openSync, writeSync } from 'node:fs';
import { fileError } from '../../files/file-error.ts';

/** A file to which bytes are written as they pass. */
export interface WriteDown {
  path: string;
  /** Bytes that are in the file already, and also pass. */
  from: number;
}

/**
 * Bytes after which the disk is made to start on them: the sync at the end then has little left to do.
 * 16 to 128 MiB measured alike.
 */
const syncSize = 32 * 1024 * 1024;

/**
 * A file that a thread writes while it looks at the bytes, which costs less than to have them go through another. For
 * threads only: it waits for the disk.
 */
export class TeeFile {
  readonly #path: string;
  readonly #descriptor: number;
  readonly #from: number;
  #passed = 0;
  #unsynced = 0;
  #isSyncing = false;
  #isClosed = false;

  /** @throws HeadwaterError what the disk failed with */
  constructor({ path, from }: WriteDown) {
    this.#path = path;
    this.#from = from;
    const truncate = from === 0 ? constants.O_TRUNC : 0;
    this.#descriptor = this.#try(() =>
      openSync(path, constants.O_WRONLY | constants.O_CREAT | truncate, 0o600),
    );
  }

  /** @throws HeadwaterError what the disk failed with */
  write(chunk: Uint8Array): void {
    const skip = Math.max(0, Math.min(chunk.length, this.#from - this.#passed));
    for (let at = skip; at < chunk.length; ) {
      at += this.#try(() => writeSync(this.#descriptor, chunk, at, chunk.length - at, this.#passed + at));
    }
    this.#passed += chunk.length;
    this.#unsynced += chunk.length - skip;
    if (this.#unsynced < syncSize || this.#isSyncing) return;
    this.#unsynced = 0;
    this.#isSyncing = true;
    // A failure here also fails the sync at the end, which the store needs.
    fdatasync(this.#descriptor, () => {
      this.#isSyncing = false;
      if (this.#isClosed) close(this.#descriptor);
    });
  }

  /** Without effect when it is closed. @throws HeadwaterError what the disk failed with */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (!this.#isSyncing) this.#try(() => closeSync(this.#descriptor));
  }

  #try<Result>(work: () => Result): Result {
    try {
      return work();
    } catch (error) {
      throw fileError(error, { path: this.#path, doing: 'write' });
    }
  }
}
