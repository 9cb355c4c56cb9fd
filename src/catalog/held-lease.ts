import { HeadwaterError } from '../errors.ts';
import { isAbandoned, processName } from '../files/process-name.ts';

/** The process that does something of which one process at a time does. */
export interface Lease {
  holder: string;
  expiresAt: Date;
}

/** The catalog's record of a lease. */
export interface LeaseRecord {
  lease(): Promise<Lease | undefined>;
  /**
   * Takes the lease, unless another holder has one that has not expired.
   * @param options.deadHolder a holder that is known to have ended: its lease counts as expired
   * @returns undefined, or the lease of the other holder
   */
  acquire(lease: Lease, options: { deadHolder?: string }): Promise<Lease | undefined>;
  /** Moves the expiry. @returns false when another holder has it by now */
  renew(lease: Lease): Promise<boolean>;
  release(holder: string): Promise<void>;
}

/** How long a lease lasts that is not renewed, and how often its holder renews it, in milliseconds. */
const leaseTime = 60_000;
const defaultRenewInterval = 15_000;

/** A lease that this process has. One process has it at a time. */
export class HeldLease {
  readonly #record: LeaseRecord;
  readonly #holder: string;
  readonly #takenOver: string;
  readonly #lost = new AbortController();
  readonly #renewInterval: number;
  readonly #timer: NodeJS.Timeout;
  /** When it was last known to be ours, by the same clock as `expiresAt`. */
  #renewedAt = Date.now();

  private constructor(
    record: LeaseRecord,
    options: { holder: string; takenOver: string; renewInterval: number },
  ) {
    this.#record = record;
    this.#holder = options.holder;
    this.#takenOver = options.takenOver;
    this.#renewInterval = options.renewInterval;
    this.#timer = setInterval(() => void this.#renew(), options.renewInterval);
    this.#timer.unref();
  }

  /**
   * Takes a lease. A lease of a process of this machine that has ended is free at once, any other when it expires.
   * @param options.held the message while another process has it
   * @param options.takenOver the message when another process took it over
   * @param options.renewInterval milliseconds between renewals
   * @throws HeadwaterError `conflict` while another process has it
   */
  static async take(
    record: LeaseRecord,
    options: { held: string; takenOver: string; renewInterval?: number | undefined },
  ): Promise<HeldLease> {
    const { held, takenOver, renewInterval = defaultRenewInterval } = options;
    const holder = await processName();
    const current = await record.lease();
    const isDead = current !== undefined && (await isAbandoned(current.holder, new Date()));
    const other = await record.acquire(
      { holder, expiresAt: new Date(Date.now() + leaseTime) },
      isDead ? { deadHolder: current.holder } : {},
    );
    if (other !== undefined) throw new HeadwaterError('conflict', held);
    return new HeldLease(record, { holder, takenOver, renewInterval });
  }

  /** Aborted when another process has it, because it could not be renewed in time. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /**
   * To be called before a change that two processes must not make at the same time. Free while the last renewal is recent; a
   * process that was suspended asks the catalog.
   * @throws HeadwaterError `conflict` when another process has it
   */
  async assertHeld(): Promise<void> {
    if (Date.now() - this.#renewedAt > 2 * this.#renewInterval) await this.#renew();
    this.#lost.signal.throwIfAborted();
  }

  async release(): Promise<void> {
    clearInterval(this.#timer);
    await this.#record.release(this.#holder);
  }

  async #renew(): Promise<void> {
    const now = Date.now();
    const lease = { holder: this.#holder, expiresAt: new Date(now + leaseTime) };
    try {
      if (await this.#record.renew(lease)) this.#renewedAt = now;
      else this.#lost.abort(new HeadwaterError('conflict', this.#takenOver));
    } catch (error) {
      // If the catalog is busy, the next renewal is still in time.
      if (now - this.#renewedAt > leaseTime) this.#lost.abort(error);
    }
  }
}
