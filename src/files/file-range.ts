import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { HeadwaterError } from '../errors.ts';
import { mayReadAhead, recycle, takeChunk } from './chunk-pool.ts';
import { fileError } from './file-error.ts';

/**
 * The bytes of an open file from `start` up to but not including `stop`. Closes the file at the end, and when it is
 * left. It ends with the last byte, without another read to find the end of the file: a client that has all
 * bytes may hang up before that read is done, which would look like a broken download.
 * The reader of a chunk is its only owner, and may `recycle` it.
 */
export class FileRange extends Readable {
  readonly #handle: FileHandle;
  readonly #path: string;
  readonly #stop: number;
  #offset: number;
  /** The chunk that was read last. */
  #last: Buffer | undefined;
  /** The chunk after it, when it is read before it is asked for. */
  #ahead: Promise<Buffer> | undefined;

  constructor(handle: FileHandle, path: string, range: { start: number; stop: number }) {
    // Reading ahead is decided here, chunk by chunk.
    super({ highWaterMark: 0 });
    this.#handle = handle;
    this.#path = path;
    this.#offset = range.start;
    this.#stop = range.stop;
  }

  override _read(): void {
    this.#pushChunk().catch((error: Error) => this.destroy(error));
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    // The chunk that waits to be read has no owner yet.
    if (this.#last !== undefined && this.readableLength === this.#last.length) recycle(this.#last);
    this.#ahead?.then(recycle, ignore);
    // Waits for a read that is under way.
    this.#handle.close().then(
      () => done(error),
      (failure: unknown) => done(error ?? fileError(failure, { path: this.#path, doing: 'write' })),
    );
  }

  async #pushChunk(): Promise<void> {
    if (this.#offset === this.#stop) {
      this.push(null);
      return;
    }
    const reading = this.#ahead ?? this.#readChunk();
    this.#ahead = undefined;
    const chunk = await reading;
    if (this.destroyed) {
      recycle(chunk);
      return;
    }
    this.#offset += chunk.length;
    if (this.#offset < this.#stop && mayReadAhead()) {
      this.#ahead = this.#readChunk();
      // The read that asks for the chunk gets the error.
      this.#ahead.catch(ignore);
    }
    this.#last = chunk;
    this.push(chunk);
    if (this.#offset === this.#stop) this.push(null);
  }

  async #readChunk(): Promise<Buffer> {
    const buffer = takeChunk(this.#stop - this.#offset);
    const { bytesRead } = await this.#handle
      .read(buffer, 0, buffer.length, this.#offset)
      .catch((error: unknown) => {
        recycle(buffer);
        throw fileError(error, { path: this.#path, doing: 'read' });
      });
    if (bytesRead === 0) {
      recycle(buffer);
      throw new HeadwaterError('unavailable', `${this.#path}: became shorter while it was read`);
    }
    return buffer.subarray(0, bytesRead);
  }
}

function ignore(): void {}
