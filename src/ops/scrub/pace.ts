import { setTimeout as sleep } from 'node:timers/promises';

interface Clock {
  /** Milliseconds. */
  now(): number;
  sleep(milliseconds: number, signal: AbortSignal): Promise<unknown>;
}

const systemClock: Clock = {
  now: () => performance.now(),
  sleep: (milliseconds, signal) => sleep(milliseconds, undefined, { signal, ref: false }),
};

/** Beside requests, bytes pass at this share of the rate, */
const busyShare = 0.1;
/** and without a rate at this one, in bytes a second. */
const busyRate = 2 * 1024 * 1024;

/** The longest wait before it is looked again whether there are requests, and the shortest that is worth a timer, in ms. */
const longestWait = 100;
const shortestWait = 5;

/** Limits how many bytes a second pass; fewer while the server answers requests. */
export class Pace {
  readonly #rate: number;
  readonly #isBusy: () => boolean;
  readonly #clock: Clock;
  /** Bytes that have passed and were not waited for. Less than 0 after a wait that was too long. */
  #owed = 0;

  /**
   * @param rate bytes a second; 0 for no limit
   * @param isBusy whether the server answers requests
   */
  constructor(rate: number, isBusy: () => boolean, clock: Clock = systemClock) {
    this.#rate = rate;
    this.#isBusy = isBusy;
    this.#clock = clock;
  }

  /** Waits until more bytes may pass, after some have passed. @throws AbortError when `signal` is aborted */
  async passed(bytes: number, signal: AbortSignal): Promise<void> {
    this.#owed += bytes;
    for (;;) {
      signal.throwIfAborted();
      const rate = this.#bytesPerMillisecond();
      if (rate === undefined) {
        this.#owed = 0;
        return;
      }
      if (this.#owed < rate * shortestWait) return;
      const from = this.#clock.now();
      await this.#clock.sleep(Math.min(longestWait, this.#owed / rate), signal);
      const waited = (this.#clock.now() - from) * rate;
      this.#owed = Math.max(this.#owed - waited, -rate * longestWait);
    }
  }

  /** @returns undefined without a limit */
  #bytesPerMillisecond(): number | undefined {
    const isBusy = this.#isBusy();
    if (this.#rate === 0) return isBusy ? busyRate / 1000 : undefined;
    return (isBusy ? this.#rate * busyShare : this.#rate) / 1000;
  }
}
