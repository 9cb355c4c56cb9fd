import { HeadwaterError } from '../../errors.ts';
import { Networks } from '../../net/networks.ts';
import type { OwnAddresses } from '../../net/own-addresses.ts';

/**
 * The addresses from which images may be pulled. Clients name the server: without an allow-list, they could make
 * Headwater ask servers that they themselves cannot reach.
 */
export class PullPolicy {
  readonly #allowed: Networks;
  readonly #ours: OwnAddresses;

  /**
   * @param options.from addresses and networks (`10.1.2.3`, `10.0.0.0/8`)
   * @param options.ours the addresses of Headwater itself
   */
  constructor(options: { from: readonly string[]; ours: OwnAddresses }) {
    this.#allowed = new Networks(options.from);
    this.#ours = options.ours;
  }

  /** Looks up the present addresses of Headwater, for {@link assertAllowed}. */
  async refresh(): Promise<void> {
    await this.#ours.refresh();
  }

  /**
   * Checks an address after the name lookup, before connecting.
   * @throws HeadwaterError `forbidden`
   */
  assertAllowed(address: string, port: number): void {
    // Another notation of an IPv4 address, which no honest client needs.
    const isDisguised = /^::ffff:/i.test(address);
    const isAllowed = !isDisguised && this.#allowed.includes(address);
    if (isAllowed && this.#ours.includes(address, port)) {
      throw new HeadwaterError('forbidden', `${address} port ${port} is this registry itself`);
    }
    if (isAllowed) return;
    throw new HeadwaterError(
      'forbidden',
      `this registry may not fetch from ${address} (registry.pullFrom): use --mode push`,
    );
  }
}
