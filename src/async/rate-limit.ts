import { sleep } from './patience.ts';

/** Lets so many bytes a second pass, of everybody who takes from it together. */
export class Pace {
  readonly #bytesPerMillisecond: number;
  /** When everything that was taken so far will have passed. */
  #freeAt = 0;

  constructor(bytesPerSecond: number) {
    this.#bytesPerMillisecond = bytesPerSecond / 1000;
  }

  /** Resolves when the bytes may pass. */
  async take(bytes: number, signal?: AbortSignal): Promise<void> {
    const now = performance.now();
    const start = Math.max(now, this.#freeAt);
    this.#freeAt = start + bytes / this.#bytesPerMillisecond;
    if (start > now) await sleep(start - now, signal);
  }
}
