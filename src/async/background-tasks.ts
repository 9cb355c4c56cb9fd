/** Tasks whose callers do not wait for them, and that a shutdown waits for. */
export class BackgroundTasks {
  readonly #onError: (error: unknown) => void;
  readonly #running = new Set<Promise<void>>();

  /** @param onError called with what a task failed with */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  /** Takes over a task that was started. */
  add(task: Promise<void>): void {
    const done = task
      .catch((error: unknown) => this.#onError(error))
      .finally(() => this.#running.delete(done));
    this.#running.add(done);
  }

  /** Resolves when no task is left, including those added meanwhile. */
  async done(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }
}
