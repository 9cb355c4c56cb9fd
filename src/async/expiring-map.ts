/** Remembers things, each for the same time, and holds nothing that is older. */
export class ShortMemory<Key, Value> {
  readonly #lifetime: number;
  /** The oldest first: with one lifetime for all, the order of expiry is that of arrival. */
  readonly #entries = new Map<Key, { value: Value; until: number }>();

  /** @param lifetime milliseconds */
  constructor(lifetime: number) {
    this.#lifetime = lifetime;
  }

  /** How many things are remembered. */
  get size(): number {
    this.#forget();
    return this.#entries.size;
  }

  get(key: Key): Value | undefined {
    this.#forget();
    return this.#entries.get(key)?.value;
  }

  /** Remembers something from now on, in place of what was remembered of the same key. */
  set(key: Key, value: Value): void {
    this.#forget();
    this.#entries.delete(key);
    this.#entries.set(key, { value, until: performance.now() + this.#lifetime });
  }

  #forget(): void {
    const now = performance.now();
    for (const [key, { until }] of this.#entries) {
      if (until > now) return;
      this.#entries.delete(key);
    }
  }
}
