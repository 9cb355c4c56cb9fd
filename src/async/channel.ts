/**
 * Bytes from one who writes to one who reads, a chunk at a time: a write resolves when the reader asks for the next
 * chunk, which is when it is done with this one. For one writer and one reader.
 */
export class Handoff implements AsyncIterable<Uint8Array> {
  #offered: Uint8Array | undefined;
  #taken: () => void = () => undefined;
  #arrived: () => void = () => undefined;
  #ended = false;
  #failure: { error: unknown } | undefined;
  #abandoned = false;

  /** Whether the reader has left: nothing that is written from now on is read. */
  get abandoned(): boolean {
    return this.#abandoned;
  }

  /** Resolves when the reader is done with these bytes, or has left. Wait for it before the next call. */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.#abandoned || bytes.length === 0) return;
    await new Promise<void>((resolve) => {
      this.#taken = resolve;
      this.#offered = bytes;
      this.#arrived();
    });
  }

  /** There is no more. */
  end(): void {
    this.#ended = true;
    this.#arrived();
  }

  /** The reader gets this error instead of more bytes. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#offered = undefined;
    this.#taken();
    this.#arrived();
  }

  /** The reader's side, where it stops without having begun. */
  leave(): void {
    this.#abandoned = true;
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
        } else if (this.#ended) {
          return;
        } else {
          await new Promise<void>((resolve) => {
            this.#arrived = resolve;
          });
        }
      }
    } finally {
      this.leave();
    }
  }
}
