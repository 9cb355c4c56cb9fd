/** A map that forgets each entry after the same time. */
export class ExpiringMap<Key, Value> {
  readonly #lifetime: number;
  readonly #maxEntries: number;
  readonly #now: () => number;
  /** The oldest first: with one lifetime for all, entries expire in the order in which they were set. */
  readonly #entries = new Map<Key, { value: Value; expiresAt: number }>();

  /**
   * @param lifetime of an entry, in milliseconds
   * @param options.maxEntries beyond which the oldest are dropped early; no limit when left out
   * @param options.now a clock, in milliseconds; `performance.now` when left out
   */
  constructor(lifetime: number, options: { maxEntries?: number; now?: () => number } = {}) {
    this.#lifetime = lifetime;
    this.#maxEntries = options.maxEntries ?? Number.POSITIVE_INFINITY;
    this.#now = options.now ?? (() => performance.now());
  }

  /** How many entries have not expired. */
  get size(): number {
    this.#expire();
    return this.#entries.size;
  }

  get(key: Key): Value | undefined {
    this.#expire();
    return this.#entries.get(key)?.value;
  }

  /** Sets an entry, whose lifetime begins now, also when it replaces another. */
  set(key: Key, value: Value): void {
    this.#expire();
    this.#entries.delete(key);
    this.#entries.set(key, { value, expiresAt: this.#now() + this.#lifetime });
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined && this.#entries.size > this.#maxEntries) this.#entries.delete(oldest);
  }

  delete(key: Key): void {
    this.#entries.delete(key);
  }

  #expire(): void {
    const now = this.#now();
    for (const [key, { expiresAt }] of this.#entries) {
      if (expiresAt > now) return;
      this.#entries.delete(key);
    }
  }
}
