import { type FileHandle, open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { ByteRange } from '../../blobs/blob-store.ts';
import { codeOf, HeadwaterError } from '../../errors.ts';
import { recycle, takeChunk } from '../../files/chunk-pool.ts';

/**
 * A file that arrives while others read it, each at its own pace: its bytes lie on the disk, so that neither a slow
 * reader nor many of them cost memory. Nobody gets all that was asked for before the whole has been found to be right:
 * who reads up to the end waits for the last byte, who reads a range before it for the first.
 */
export class GrowingFile {
  readonly #path: string;
  readonly #size: number;
  #arrived: number;
  #state: { kind: 'arriving' | 'right' } | { kind: 'failed'; error: Error } = { kind: 'arriving' };
  #waiting: (() => void)[] = [];

  /**
   * @param path where its bytes lie; the file is there as soon as the first of them has arrived
   * @param size bytes of the whole
   * @param arrived bytes that are there already
   */
  constructor(path: string, size: number, arrived: number) {
    this.#path = path;
    this.#size = size;
    this.#arrived = arrived;
  }

  /** Bytes that have arrived. */
  get arrived(): number {
    return this.#arrived;
  }

  /** More bytes were written to the file. */
  grow(bytes: number): void {
    this.#arrived += bytes;
    this.#wake();
  }

  /** Every byte has arrived, and they are the right ones. */
  succeed(): void {
    if (this.#state.kind === 'arriving') this.#state = { kind: 'right' };
    this.#wake();
  }

  /** It will not become whole: its readers fail with the error. Without effect once it was found to be right. */
  fail(error: Error): void {
    if (this.#state.kind === 'arriving') this.#state = { kind: 'failed', error };
    this.#wake();
  }

  /** Resolves when something has arrived or everything is over. @throws what it failed with */
  async begun(): Promise<void> {
    while (this.#arrived === 0 && this.#state.kind === 'arriving') await this.#change();
    if (this.#state.kind === 'failed') throw this.#state.error;
  }

  /**
   * The bytes of the whole or of a range, as they come.
   * @returns undefined when the file is gone: the store has taken it over, or it was wrong
   * @throws HeadwaterError `invalid` when there are no bytes in the range
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
   * Resolves, when the byte at `at` may be read, with how far one may read.
   * @param early whether bytes may be read before the whole is known to be right, all but the last
   * @throws what the file failed with
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

/** Bytes of a growing file from `start` up to but not including `stop`. Closes the file when it is left. */
class GrowingRange extends Readable {
  readonly #handle: FileHandle;
  readonly #stop: number;
  readonly #readable: (at: number) => Promise<number>;
  #at: number;
  /** The chunk that was read last. */
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
    this.#readChunk().catch((error: unknown) => this.destroy(error as Error));
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    // Nobody has the chunk that waits to be read.
    if (this.#last !== undefined && this.readableLength === this.#last.length) recycle(this.#last);
    // Waits for a read that is under way.
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
      throw new HeadwaterError('unavailable', 'a file that was being fetched became shorter');
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
