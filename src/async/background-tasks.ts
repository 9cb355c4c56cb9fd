/** Work that goes on while nobody waits for it, until somebody does. */
export class BackgroundWork {
  readonly #onError: (error: unknown) => void;
  readonly #work = new Set<Promise<void>>();

  /** @param onError told of work that failed */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  do(work: Promise<void>): void {
    const done = work.catch((error: unknown) => this.#onError(error)).finally(() => this.#work.delete(done));
    this.#work.add(done);
  }

  /** Resolves when none is left, also of that which begins meanwhile. */
  async done(): Promise<void> {
    while (this.#work.size > 0) await Promise.all(this.#work);
  }
}
