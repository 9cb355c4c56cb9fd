/**
 * Passes bytes from one writer to one reader, a chunk at a time. A write resolves when the reader asks for the next chunk:
 * only then may the writer use the chunk's memory again.
 */
export class Channel implements AsyncIterable<Uint8Array> {
  #offered: Uint8Array | undefined;
  #taken: () => void = () => undefined;
  #arrived: () => void = () => undefined;
  #hasEnded = false;
  #failure: { error: unknown } | undefined;
  #isCancelled = false;

  /** Whether the reader has stopped: further writes are discarded. */
  get isCancelled(): boolean {
    return this.#isCancelled;
  }

  /** Resolves when the reader is done with these bytes, or has stopped. Await it before the next call. */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.#isCancelled || bytes.length === 0) return;
    await new Promise<void>((resolve) => {
      this.#taken = resolve;
      this.#offered = bytes;
      this.#arrived();
    });
  }

  /** Ends the bytes. */
  end(): void {
    this.#hasEnded = true;
    this.#arrived();
  }

  /** Makes the reader fail with this error instead of reading more. The first error counts. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#offered = undefined;
    this.#taken();
    this.#arrived();
  }

  /** Stops on behalf of a reader that may not have begun. */
  cancel(): void {
    this.#isCancelled = true;
    this.#offered = undefined;
    this.#taken();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        if (this.#failure !== undefined) throw this.#failure.error;
        const bytes = this.#offered;
        if (bytes !== undefined) {
          yield bytes;
          this.#offered = undefined;
          this.#taken();
        } else if (this.#hasEnded) {
          return;
        } else {
          await new Promise<void>((resolve) => {
            this.#arrived = resolve;
          });
        }
      }
    } finally {
      this.cancel();
    }
  }
}
