import { setTimeout as sleep } from 'node:timers/promises';
import type { Outcome } from './outcome.ts';

export interface BatcherOptions {
  /** The most requests in one batch; no limit when left out. */
  maxRequests?: number;
  /** Starts a batch only when the one before has ended. Left out, as soon as that one has taken its requests. */
  oneAtATime?: boolean;
  /** After a batch of so many requests the next one waits so long: more are about to come. */
  linger?: { afterRequests: number; milliseconds: number };
}

interface Waiting<Request, Result> {
  request: Request;
  resolve: (result: Result) => void;
  reject: (error: unknown) => void;
}

/** Handles requests in batches, where most of the cost is per batch. A single request is not delayed. */
export class Batcher<Request, Result> {
  readonly #handle: (take: () => Request[]) => Promise<Outcome<Result>[]>;
  readonly #options: BatcherOptions;
  #waiting: Waiting<Request, Result>[] = [];
  #isStarted = false;
  #lastSize = 0;

  /**
   * @param handle handles a batch, and returns the outcome of each request in order. It calls `take` once, as late as it can:
   * requests join the batch until then. What it throws is the outcome of all of them
   */
  constructor(handle: (take: () => Request[]) => Promise<Outcome<Result>[]>, options: BatcherOptions = {}) {
    this.#handle = handle;
    this.#options = options;
  }

  /** Handles a request with others. @throws what it failed with */
  async do(request: Request): Promise<Result> {
    return await new Promise((resolve, reject) => {
      this.#waiting.push({ request, resolve, reject });
      this.#start();
    });
  }

  #start(): void {
    if (this.#isStarted || this.#waiting.length === 0) return;
    this.#isStarted = true;
    void this.#run();
  }

  async #run(): Promise<void> {
    const { linger, oneAtATime = false } = this.#options;
    if (linger !== undefined && this.#lastSize >= linger.afterRequests) await sleep(linger.milliseconds);
    // Let requests made in the same tick join this batch.
    else await new Promise((resolve) => setImmediate(resolve));
    let batch: Waiting<Request, Result>[] | undefined;
    const take = () => {
      if (batch === undefined) {
        batch = this.#waiting.splice(0, this.#options.maxRequests ?? this.#waiting.length);
        this.#lastSize = batch.length;
        if (!oneAtATime) this.#startNext();
      }
      return batch.map(({ request }) => request);
    };
    try {
      const outcomes = await this.#handle(take);
      take();
      for (const [index, waiting] of (batch ?? []).entries()) settle(waiting, outcomes[index]);
    } catch (error) {
      // It may have failed before it took any.
      take();
      for (const { reject } of batch ?? []) reject(error);
    }
    if (oneAtATime) this.#startNext();
  }

  #startNext(): void {
    this.#isStarted = false;
    this.#start();
  }
}

function settle<Result>(
  { resolve, reject }: Waiting<unknown, Result>,
  outcome: Outcome<Result> | undefined,
): void {
  if (outcome === undefined) reject(new Error('a request has no outcome'));
  else if ('error' in outcome) reject(outcome.error);
  else resolve(outcome.result);
}
