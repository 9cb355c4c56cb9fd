import { setTimeout as sleep } from 'node:timers/promises';

interface Clock {
  /** Milliseconds. */
  now(): number;
  sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<unknown>;
}

const systemClock: Clock = {
  now: () => performance.now(),
  sleep: (milliseconds, signal) => sleep(milliseconds, undefined, { signal }),
};

/** Limits how many bytes a second pass, of all callers together. */
export class RateLimit {
  readonly #bytesPerMillisecond: number;
  readonly #clock: Clock;
  /** When all bytes that were taken so far will have passed. */
  #freeAt = 0;

  constructor(bytesPerSecond: number, clock: Clock = systemClock) {
    this.#bytesPerMillisecond = bytesPerSecond / 1000;
    this.#clock = clock;
  }

  /** Waits until the bytes may pass. @throws AbortError when `signal` is aborted meanwhile */
  async take(bytes: number, signal?: AbortSignal): Promise<void> {
    const now = this.#clock.now();
    const start = Math.max(now, this.#freeAt);
    this.#freeAt = start + bytes / this.#bytesPerMillisecond;
    if (start > now) await this.#clock.sleep(start - now, signal);
  }
}
