import { setTimeout as sleep } from 'node:timers/promises';

/** When so many came together, more are about to come. */
const several = 4;
/** How long the next ones are waited for then, in milliseconds. */
const pause = 10;

/**
 * Gathers what is asked for at the same moment, to be done together: a mirror run asks for the same thing thousands of
 * times, and what it costs is mostly the asking. Who is alone does not wait.
 */
export class Gathering<Request> {
  readonly #handle: (take: () => Request[]) => Promise<void>;
  #waiting: Request[] = [];
  #isCalled = false;
  #last = 0;

  /** @param handle is given all that have come when it takes them; called once more for who comes after that. Never fails */
  constructor(handle: (take: () => Request[]) => Promise<void>) {
    this.#handle = handle;
  }

  add(request: Request): void {
    this.#waiting.push(request);
    if (this.#isCalled) return;
    this.#isCalled = true;
    void this.#call();
  }

  async #call(): Promise<void> {
    // Whoever is about to come, comes along.
    if (this.#last >= several) await sleep(pause);
    else await new Promise((resolve) => setImmediate(resolve));
    await this.#handle(() => {
      const taken = this.#waiting;
      this.#waiting = [];
      this.#isCalled = false;
      this.#last = taken.length;
      return taken;
    });
  }
}
