/** Limits how many may do something at a time. Those who find no place wait, and get one in the order of their arrival. */
export class Semaphore {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  /** @param places how many may be taken at a time */
  constructor(places: number) {
    this.#free = places;
  }

  /** Waits for a place. @returns a function that gives it back; call it once */
  async acquire(): Promise<() => void> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return () => {
      const next = this.#waiting.shift();
      // A place goes straight to the next in line: a newcomer cannot take it in between.
      if (next === undefined) this.#free++;
      else next();
    };
  }
}
