import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Backoff, delayBefore } from '../../async/backoff.ts';
import { HeadwaterError } from '../../errors.ts';
import { countHeld, readAllowance } from '../../files/chunk-pool.ts';

/** Bytes kept ready for a reader, unless readers hold much already. */
const maxBuffered = 1024 * 1024;

interface ReadOptions {
  /** The first byte. */
  start: number;
  /** The byte after the last one. */
  stop: number;
  /** Requests the bytes again, from `start` up to but not including `stop`. */
  reopen: (start: number, stop: number) => Promise<IncomingMessage>;
  retry: Backoff;
  /** Explains a failure and what to do. */
  explain: (error: unknown) => Error;
}

/**
 * The bytes of an answer. When the connection breaks, another request continues from there, unless that has failed too
 * often without a single byte in between.
 */
export class S3Read extends Readable {
  readonly #options: ReadOptions;
  readonly #left = new AbortController();
  #response: IncomingMessage;
  #offset: number;
  #failures = 0;
  #counted = 0;

  constructor(response: IncomingMessage, options: ReadOptions) {
    // How much is read ahead is decided as it arrives.
    super({ highWaterMark: 1 });
    this.#options = options;
    this.#offset = options.start;
    this.#response = response;
    this.#follow(response);
  }

  override _read(): void {
    this.#count(this.readableLength);
    this.#response.resume();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#left.abort();
    this.#count(0);
    // A complete response leaves its connection to the next request.
    if (this.#offset < this.#options.stop) this.#response.destroy();
    done(error);
  }

  #follow(response: IncomingMessage): void {
    this.#response = response;
    let failure: unknown;
    response.on('data', (chunk: Buffer) => this.#take(chunk));
    response.once('error', (error) => {
      failure = error;
    });
    response.once('close', () => {
      if (this.#offset < this.#options.stop && !this.destroyed) void this.#resume(failure);
    });
    // Nothing is read before the first _read.
    response.pause();
  }

  #take(chunk: Buffer): void {
    const { stop } = this.#options;
    const wanted = chunk.subarray(0, stop - this.#offset);
    if (wanted.length === 0) return;
    this.#offset += wanted.length;
    this.#failures = 0;
    this.push(wanted);
    this.#count(this.readableLength);
    const wantsMore = this.readableLength < readAllowance(maxBuffered);
    if (this.#offset === stop) this.push(null);
    else if (!wantsMore) this.#response.pause();
  }

  /** Counts the bytes that wait for the reader as memory of all readers. */
  #count(waiting: number): void {
    countHeld(waiting - this.#counted);
    this.#counted = waiting;
  }

  async #resume(failure: unknown): Promise<void> {
    const { stop, reopen, retry, explain } = this.#options;
    this.#failures++;
    try {
      if (this.#failures >= retry.attempts)
        throw failure ?? new Error('the connection was closed before the end');
      await sleep(delayBefore(this.#failures, retry), undefined, { signal: this.#left.signal });
      const response = await reopen(this.#offset, stop);
      if (this.destroyed) {
        response.destroy();
        return;
      }
      this.#follow(response);
      response.resume();
    } catch (error) {
      if (!this.destroyed) this.destroy(error instanceof HeadwaterError ? error : explain(error));
    }
  }
}
