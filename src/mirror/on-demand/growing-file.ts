import { type FileHandle, open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { ByteRange } from '../../blobs/blob-store.ts';
import { codeOf, HeadwaterError } from '../../errors.ts';
import { recycle, takeChunk } from '../../files/chunk-pool.ts';

/**
 * A file that is read while it arrives, by each reader at its own pace. Its bytes are on the disk, so that neither slow
 * nor many readers cost memory. No reader gets all requested bytes before the file is verified: a reader up to the end
 * waits for the last byte, a reader of an earlier range for the first.
 */
export class GrowingFile {
  readonly #path: string;
  readonly #size: number;
  #arrived: number;
  #state: { kind: 'arriving' | 'right' } | { kind: 'failed'; error: Error } = { kind: 'arriving' };
  #waiting: (() => void)[] = [];

  /**
   * @param path where its bytes are written; the file exists once the first of them has arrived
   * @param size of the complete file, in bytes
   * @param arrived how many bytes exist already
   */
  constructor(path: string, size: number, arrived: number) {
    this.#path = path;
    this.#size = size;
    this.#arrived = arrived;
  }

  /** How many bytes have arrived. */
  get arrived(): number {
    return this.#arrived;
  }

  /** More bytes were written to the file. */
  grow(bytes: number): void {
    this.#arrived += bytes;
    this.#wake();
  }

  /** All bytes have arrived and are verified. */
  succeed(): void {
    if (this.#state.kind === 'arriving') this.#state = { kind: 'right' };
    this.#wake();
  }

  /** The file will not become complete: its readers fail with the error. No effect after {@link succeed}. */
  fail(error: Error): void {
    if (this.#state.kind === 'arriving') this.#state = { kind: 'failed', error };
    this.#wake();
  }

  /** Resolves when a byte has arrived or the file is complete. @throws the error of {@link fail} */
  async begun(): Promise<void> {
    while (this.#arrived === 0 && this.#state.kind === 'arriving') await this.#change();
    if (this.#state.kind === 'failed') throw this.#state.error;
  }

  /**
   * The bytes of the file or a range of it, as they arrive.
   * @returns undefined when the file is gone: the store has taken it over, or it was wrong
   * @throws HeadwaterError `invalid` when the range contains no bytes
   */
  async read(range?: ByteRange): Promise<Readable | undefined> {
    const start = range?.start ?? 0;
    const stop = Math.min(this.#size, (range?.end ?? this.#size) + 1);
    if (range !== undefined && start >= stop) {
      throw new HeadwaterError('invalid', `a file of ${this.#size} bytes has none from ${start}`);
    }
    const handle = await openIfAny(this.#path);
    if (handle === undefined) return undefined;
    const early = stop === this.#size;
    return new GrowingRange(handle, { start, stop }, (at) => this.#readable(at, early));
  }

  /**
   * Waits until the byte at `at` may be read.
   * @param early whether all bytes but the last may be read before the file is verified
   * @returns up to where bytes may be read
   * @throws the error of {@link fail}
   */
  async #readable(at: number, early: boolean): Promise<number> {
    for (;;) {
      if (this.#state.kind === 'failed') throw this.#state.error;
      if (this.#state.kind === 'right') return this.#size;
      const end = early ? Math.min(this.#arrived, this.#size - 1) : 0;
      if (end > at) return end;
      await this.#change();
    }
  }

  async #change(): Promise<void> {
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

/** The bytes of a growing file from `start` up to, but not including, `stop`. Closes the file when destroyed. */
class GrowingRange extends Readable {
  readonly #handle: FileHandle;
  readonly #stop: number;
  readonly #readable: (at: number) => Promise<number>;
  #at: number;
  /** The last chunk that was read. */
  #last: Buffer | undefined;

  constructor(
    handle: FileHandle,
    range: { start: number; stop: number },
    readable: (at: number) => Promise<number>,
  ) {
    // One chunk is read ahead, whatever its size.
    super({ highWaterMark: 1 });
    this.#handle = handle;
    this.#at = range.start;
    this.#stop = range.stop;
    this.#readable = readable;
  }

  override _read(): void {
    this.#readChunk().catch((error: Error) => this.destroy(error));
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    // The chunk was never read.
    if (this.#last !== undefined && this.readableLength === this.#last.length) recycle(this.#last);
    // Waits for a running read.
    this.#handle.close().then(
      () => done(error),
      (failure: Error) => done(error ?? failure),
    );
  }

  async #readChunk(): Promise<void> {
    const end = this.#at === this.#stop ? this.#stop : await this.#readable(this.#at);
    if (this.destroyed) return;
    const left = Math.min(end, this.#stop) - this.#at;
    if (left === 0) {
      this.push(null);
      return;
    }
    const buffer = takeChunk(left);
    const { bytesRead } = await this.#handle.read(buffer, 0, buffer.length, this.#at);
    if (this.destroyed) {
      recycle(buffer);
      return;
    }
    if (bytesRead === 0) {
      throw new HeadwaterError('unavailable', 'a file that was being fetched was truncated');
    }
    this.#at += bytesRead;
    this.#last = buffer.subarray(0, bytesRead);
    this.push(this.#last);
    if (this.#at === this.#stop) this.push(null);
  }
}

async function openIfAny(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
