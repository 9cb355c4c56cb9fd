import { BlockList, isIP } from 'node:net';

/** Tells whether an address is one of a list of addresses and networks (`10.1.2.3`, `10.0.0.0/8`, `2001:db8::/32`). */
export class Networks {
  readonly #list = new BlockList();

  /** @param networks checked by the configuration */
  constructor(networks: readonly string[]) {
    for (const network of networks) {
      const [address = '', prefix] = network.split('/');
      const family = familyOf(address);
      this.#list.addSubnet(address, Number(prefix ?? (family === 'ipv6' ? 128 : 32)), family);
    }
  }

  /** Whether an address is in it; IPv4 that is written as IPv6 (`::ffff:10.1.2.3`) is IPv4. */
  includes(address: string): boolean {
    return isIP(address) !== 0 && this.#list.check(address, familyOf(address));
  }
}

/** As {@link BlockList} calls what kind of address one is. */
export function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4';
}
