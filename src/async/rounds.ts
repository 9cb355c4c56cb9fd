import { setTimeout as sleep } from 'node:timers/promises';

/** Repeats a task whenever it is asked to, one round after the other: requests during a round start one more round. */
export class Rounds {
  readonly #work: (signal: AbortSignal) => Promise<void>;
  readonly #onError: (error: unknown) => void;
  readonly #retryAfter: number;
  readonly #stopping = new AbortController();
  #isStale = false;
  #running: Promise<void> | undefined;

  /**
   * @param work one round; the signal aborts when the rounds are stopped
   * @param options.onError called with what a round failed with
   * @param options.retryAfter milliseconds until a round that failed is repeated
   */
  constructor(
    work: (signal: AbortSignal) => Promise<void>,
    options: { onError: (error: unknown) => void; retryAfter: number },
  ) {
    this.#work = work;
    this.#onError = options.onError;
    this.#retryAfter = options.retryAfter;
  }

  /** Starts a round, or one more after the one that runs. */
  request(): void {
    if (this.#stopping.signal.aborted) return;
    this.#isStale = true;
    this.#running ??= this.#run();
  }

  /** Resolves when no round runs. */
  async settled(): Promise<void> {
    await this.#running;
  }

  /** Ends the round that runs, and starts no more. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (this.#isStale && !signal.aborted) {
      this.#isStale = false;
      try {
        await this.#work(signal);
      } catch (error) {
        if (signal.aborted) break;
        this.#onError(error);
        this.#isStale = true;
        await sleep(this.#retryAfter, undefined, { signal, ref: false }).catch(() => undefined);
      }
    }
    this.#running = undefined;
  }
}
