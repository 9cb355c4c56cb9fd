import type { Reserve } from '../catalog/database/reserve.ts';
import { messageOf } from '../errors.ts';
import type { Logger } from './log.ts';

/** Milliseconds between checks of the disk. */
const checkInterval = 5000;

/** Restores the reserve of a data directory when there is space, and logs when it was used and when it is complete. */
export class ReserveKeeper {
  /** Bytes at the last check, for the metrics. */
  readonly gauges = { reserved: 0, free: 0 };
  readonly #reserve: Reserve;
  readonly #log: Logger;
  #isWhole = true;
  #looking = Promise.resolve();
  readonly #timer: NodeJS.Timeout;

  constructor(reserve: Reserve, log: Logger) {
    this.#reserve = reserve;
    this.#log = log;
    this.#timer = setInterval(() => {
      this.#looking = this.#look();
    }, checkInterval);
    this.#timer.unref();
    this.#looking = this.#look();
  }

  /** Whether the reserve was complete at the last check: if not, the disk is full. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
  }

  async #look(): Promise<void> {
    try {
      const isWhole = await this.#reserve.restore();
      const { reserved, free } = await this.#reserve.space();
      Object.assign(this.gauges, { reserved, free });
      if (isWhole !== this.#isWhole) {
        if (isWhole) this.#log.info({ reserved, free }, 'the reserve of the data directory was restored');
        else
          this.#log.warn({ reserved, free }, 'the disk of the data directory is full: its reserve is used');
      }
      this.#isWhole = isWhole;
    } catch (error) {
      this.#log.warn(
        { error: messageOf(error) },
        'the reserve cannot be restored; the next check tries again',
      );
    }
  }
}
