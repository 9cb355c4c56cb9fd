import { HeadwaterError } from '../../errors.ts';
import { Networks } from '../../net/networks.ts';
import type { OwnAddresses } from '../../net/own-addresses.ts';

/**
 * From where images may be pulled. Clients name the server, so without an allow-list they could have Headwater ask
 * whatever it reaches and they do not.
 */
export class PullPolicy {
  readonly #allowed: Networks;
  readonly #ours: OwnAddresses;

  /**
   * @param options.from addresses and networks (`10.1.2.3`, `10.0.0.0/8`)
   * @param options.ours where Headwater itself is reached
   */
  constructor(options: { from: readonly string[]; ours: OwnAddresses }) {
    this.#allowed = new Networks(options.from);
    this.#ours = options.ours;
  }

  /** Learns what addresses mean now, for {@link assertAllowed}. */
  async refresh(): Promise<void> {
    await this.#ours.refresh();
  }

  /**
   * Checks an address that is about to be connected to, after the name was looked up.
   * @throws HeadwaterError `forbidden`
   */
  assertAllowed(address: string, port: number): void {
    // Another way to write an IPv4 address, which nobody needs who has nothing to hide.
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
