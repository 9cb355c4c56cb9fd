import { setTimeout as sleep } from 'node:timers/promises';
import type { Outcome } from './outcome.ts';

/** When so many came together, more are about to come. */
const several = 4;
/** How long the next ones are waited for then, in milliseconds. */
const pause = 10;

interface Waiting<Request, Result> {
  request: Request;
  resolve: (result: Result) => void;
  reject: (error: unknown) => void;
}

/**
 * Gathers what is asked for at the same moment, to be done together: a mirror run asks for the same thing thousands of
 * times, and what it costs is mostly the asking. Who is alone does not wait.
 */
export class Gathering<Request, Result> {
  readonly #handle: (take: () => Request[]) => Promise<Outcome<Result>[]>;
  #waiting: Waiting<Request, Result>[] = [];
  #isCalled = false;
  #last = 0;

  /**
   * @param handle calls `take` once, for all who have come by then; who comes later is handled by the next call. Tells what
   * became of each, in their order; what it throws itself, everybody is told
   */
  constructor(handle: (take: () => Request[]) => Promise<Outcome<Result>[]>) {
    this.#handle = handle;
  }

  /** @returns what becomes of a request. @throws what it failed with */
  async do(request: Request): Promise<Result> {
    return await new Promise((resolve, reject) => {
      this.#waiting.push({ request, resolve, reject });
      if (this.#isCalled) return;
      this.#isCalled = true;
      void this.#call();
    });
  }

  async #call(): Promise<void> {
    // Whoever is about to come, comes along.
    if (this.#last >= several) await sleep(pause);
    else await new Promise((resolve) => setImmediate(resolve));
    let taken: Waiting<Request, Result>[] | undefined;
    const take = () => {
      taken ??= this.#take();
      return taken.map(({ request }) => request);
    };
    try {
      const outcomes = await this.#handle(take);
      for (const [index, { resolve, reject }] of (taken ?? []).entries()) {
        const outcome = outcomes[index];
        if (outcome === undefined) reject(new Error('a request has no outcome'));
        else if ('error' in outcome) reject(outcome.error);
        else resolve(outcome.result);
      }
    } catch (error) {
      // It may have failed before it took any.
      for (const { reject } of taken ?? this.#take()) reject(error);
    }
  }

  #take(): Waiting<Request, Result>[] {
    const taken = this.#waiting;
    this.#waiting = [];
    this.#isCalled = false;
    this.#last = taken.length;
    return taken;
  }
}
