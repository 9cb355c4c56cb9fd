/** Does the same work once for all callers that ask for it while it runs. */
export class SingleFlight<Key, Result> {
  readonly #running = new Map<Key, Promise<Result>>();

  /** The result of the work for `key` that is running; undefined when none is. */
  running(key: Key): Promise<Result> | undefined {
    return this.#running.get(key);
  }

  /**
   * Joins the work for `key` that is running, or starts it.
   * @param until the result is shared with later callers until this settles; left out, until `work` settles
   * @returns the result of the `work` that runs for this key
   * @throws what `work` throws
   */
  async do(
    key: Key,
    work: () => Promise<Result>,
    until?: (result: Result) => Promise<unknown>,
  ): Promise<Result> {
    const running = this.#running.get(key);
    if (running !== undefined) return await running;
    // Nothing is awaited before the map is set: a caller in the same tick joins.
    const starting = work();
    this.#running.set(key, starting);
    const land = () => void this.#running.delete(key);
    starting.then((result) => (until === undefined ? land() : until(result).then(land, land)), land);
    return await starting;
  }
}
