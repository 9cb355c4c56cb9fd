import { BlockList, isIP } from 'node:net';
import { HeadwaterError } from '../../errors.ts';

/**
 * From where images may be pulled. Clients name the server, so without an allow-list they could have Headwater ask
 * whatever it reaches and they do not.
 */
export class PullPolicy {
  readonly #allowed = new BlockList();
  readonly #isOurs: (address: string, port: number) => boolean;

  /**
   * @param options.from addresses and networks (`10.1.2.3`, `10.0.0.0/8`)
   * @param options.isOurs whether that is where Headwater itself listens
   */
  constructor(options: { from: readonly string[]; isOurs: (address: string, port: number) => boolean }) {
    for (const network of options.from) {
      const [address = '', prefix] = network.split('/');
      const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
      this.#allowed.addSubnet(
        address,
        prefix === undefined ? (family === 'ipv6' ? 128 : 32) : Number(prefix),
        family,
      );
    }
    this.#isOurs = options.isOurs;
  }

  /**
   * Checks an address that is about to be connected to, after the name was looked up.
   * @throws HeadwaterError `forbidden`
   */
  assertAllowed(address: string, port: number): void {
    // Another way to write an IPv4 address, which nobody needs who has nothing to hide.
    const isDisguised = /^::ffff:/i.test(address);
    if (!isDisguised && this.#isOurs(address, port)) {
      throw new HeadwaterError('forbidden', `${address} port ${port} is this registry itself`);
    }
    if (!isDisguised && this.#allowed.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')) return;
    throw new HeadwaterError(
      'forbidden',
      `this registry may not fetch from ${address} (registry.pullFrom): use --mode push`,
    );
  }
}
