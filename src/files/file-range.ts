import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { HeadwaterError } from '../errors.ts';
import { recycle, takeChunk } from './chunk-pool.ts';
import { diskError } from './file-error.ts';

/**
 * The bytes of an open file from `start` up to but not including `stop`. Closes the file at the end, and when it is
 * left. It ends with the last byte, without another read to find the end of the file: a client that has all
 * bytes may hang up before that read is done, which would look like a broken download.
 * Who reads a chunk is its only owner, and may `recycle` it.
 */
export class FileRange extends Readable {
  readonly #handle: FileHandle;
  readonly #path: string;
  readonly #stop: number;
  #offset: number;
  /** The chunk that was read last. */
  #last: Buffer | undefined;

  constructor(handle: FileHandle, path: string, range: { start: number; stop: number }) {
    // One chunk is read ahead, whatever its size.
    super({ highWaterMark: 1 });
    this.#handle = handle;
    this.#path = path;
    this.#offset = range.start;
    this.#stop = range.stop;
  }

  override _read(): void {
    this.#readChunk().catch((error: unknown) => this.destroy(error as Error));
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    // Nobody has the chunk that waits to be read.
    if (this.#last !== undefined && this.readableLength === this.#last.length) recycle(this.#last);
    // Waits for a read that is under way.
    this.#handle.close().then(
      () => done(error),
      (failure: unknown) => done(error ?? diskError(failure, this.#path, 'closed')),
    );
  }

  async #readChunk(): Promise<void> {
    const left = this.#stop - this.#offset;
    if (left === 0) {
      this.push(null);
      return;
    }
    const buffer = takeChunk(left);
    const { bytesRead } = await this.#handle
      .read(buffer, 0, buffer.length, this.#offset)
      .catch((error: unknown) => {
        recycle(buffer);
        throw diskError(error, this.#path, 'read');
      });
    if (this.destroyed) {
      recycle(buffer);
      return;
    }
    if (bytesRead === 0) {
      throw new HeadwaterError('unavailable', `${this.#path}: became shorter while it was read`);
    }
    this.#offset += bytesRead;
    this.#last = buffer.subarray(0, bytesRead);
    this.push(this.#last);
    if (this.#offset === this.#stop) this.push(null);
  }
}
