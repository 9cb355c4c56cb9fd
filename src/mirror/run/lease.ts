import type { Mirrors } from '../../catalog/mirrors/mirrors.ts';
import { HeadwaterError } from '../../errors.ts';
import { isAbandoned, processName } from '../../files/process-name.ts';

/** How long a lease lasts that is not renewed, and how often a run renews it, in milliseconds. */
const leaseTime = 60_000;
const defaultRenewInterval = 15_000;

/** The right to run a mirror. One process has it at a time. */
export class HeldLease {
  readonly #mirrors: Mirrors;
  readonly #mirror: string;
  readonly #holder: string;
  readonly #lost = new AbortController();
  readonly #renewInterval: number;
  readonly #timer: NodeJS.Timeout;
  /** When it was last known to be ours, by the same clock as `expiresAt`. */
  #renewedAt = Date.now();

  private constructor(mirrors: Mirrors, mirror: string, holder: string, renewInterval: number) {
    this.#renewInterval = renewInterval;
    this.#mirrors = mirrors;
    this.#mirror = mirror;
    this.#holder = holder;
    this.#timer = setInterval(() => void this.#renew(), renewInterval);
    this.#timer.unref();
  }

  /**
   * Takes the lease. A lease of a process of this machine that has ended is free at once, any other when it expires.
   * @param renewInterval milliseconds between renewals
   * @throws HeadwaterError `conflict` while another run has it
   */
  static async take(
    mirrors: Mirrors,
    mirror: string,
    renewInterval = defaultRenewInterval,
  ): Promise<HeldLease> {
    const holder = await processName();
    const current = await mirrors.lease(mirror);
    const isDead = current !== undefined && (await isAbandoned(current.holder, new Date()));
    const other = await mirrors.acquire(
      mirror,
      { holder, expiresAt: new Date(Date.now() + leaseTime) },
      isDead ? { deadHolder: current.holder } : {},
    );
    if (other === undefined) return new HeldLease(mirrors, mirror, holder, renewInterval);
    throw new HeadwaterError(
      'conflict',
      `mirror ${mirror} is running already: wait for that run, or stop it ("headwater mirror status ${mirror}" shows it)`,
    );
  }

  /** Aborted when another process has it, because it could not be renewed in time. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /**
   * To be called before a change that two concurrent runs must not make. Free while the last renewal is recent; a process that
   * was suspended asks the catalog.
   * @throws HeadwaterError `conflict` when another process has it
   */
  async assertHeld(): Promise<void> {
    if (Date.now() - this.#renewedAt > 2 * this.#renewInterval) await this.#renew();
    this.#lost.signal.throwIfAborted();
  }

  async release(): Promise<void> {
    clearInterval(this.#timer);
    await this.#mirrors.release(this.#mirror, this.#holder);
  }

  async #renew(): Promise<void> {
    const now = Date.now();
    const lease = { holder: this.#holder, expiresAt: new Date(now + leaseTime) };
    try {
      if (await this.#mirrors.renew(this.#mirror, lease)) this.#renewedAt = now;
      else
        this.#lost.abort(
          new HeadwaterError('conflict', `mirror ${this.#mirror} was taken over by another process`),
        );
    } catch (error) {
      // If the catalog is busy, the next renewal is still in time.
      if (now - this.#renewedAt > leaseTime) this.#lost.abort(error);
    }
  }
}
