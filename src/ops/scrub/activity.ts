/** How long after a request the server counts as busy, in milliseconds: the next one may follow. */
const busyFor = 1000;

/** Tells background work whether the server answers requests of clients. */
export class Activity {
  #underWay: () => number = () => 0;
  #answeredAt = Number.NEGATIVE_INFINITY;

  /** @param underWay the number of requests that are being answered */
  watch(underWay: () => number): void {
    this.#underWay = underWay;
  }

  /** Notes that a request was answered. Those of the management API do not count: it shows the progress of the work. */
  answered(surface: string): void {
    if (surface !== 'api' && surface !== 'other') this.#answeredAt = performance.now();
  }

  get isBusy(): boolean {
    return this.#underWay() > 0 || performance.now() - this.#answeredAt < busyFor;
  }
}
