/** Work that is done once for all who want the same while it goes on. */
export class SharedWork<Result> {
  readonly #running = new Map<string, Promise<Result>>();

  /** @returns what the work for `key` comes to, whoever began it; fails as it does */
  async do(key: string, work: () => Promise<Result>): Promise<Result> {
    const running = this.#running.get(key);
    if (running !== undefined) return await running;
    const doing = work();
    this.#running.set(key, doing);
    return await doing.finally(() => this.#running.delete(key));
  }
}
