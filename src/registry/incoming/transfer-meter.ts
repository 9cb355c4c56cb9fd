/** How often progress is reported, in milliseconds. */
const reportInterval = 1000;

/** Reports the progress of a transfer as daemons do: `rootfs: 50% (1.00MB/s)`. */
export class TransferMeter {
  readonly #total: number;
  readonly #onProgress: (progress: string) => void;
  readonly #started = performance.now();
  #done = 0;
  #told = this.#started;

  /** @param total the number of bytes that will be transferred */
  constructor(total: number, onProgress: (progress: string) => void) {
    this.#total = total;
    this.#onProgress = onProgress;
  }

  /** Passes the bytes on and counts them. */
  async *count(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of bytes) {
      yield chunk;
      this.#done += chunk.length;
      const now = performance.now();
      if (now - this.#told < reportInterval) continue;
      this.#told = now;
      const rate = this.#done / 1e6 / ((now - this.#started) / 1000);
      const percent = Math.min(100, Math.floor((100 * this.#done) / this.#total));
      this.#onProgress(`rootfs: ${percent}% (${rate.toFixed(2)}MB/s)`);
    }
  }
}
