import { isIP } from 'node:net';
import { buildConnector } from 'undici';
import { asError, HeadwaterError } from '../../errors.ts';
import {
  bareHost,
  type CheckAddresses,
  checkAddressHost,
  checkedLookup,
  type LookupAll,
  systemLookup,
} from '../../net/checked-lookup.ts';
import { isPublicAddress } from '../../net/public-address.ts';

/** How addresses are found and judged; tests have only their own machine. */
export interface AddressRules {
  lookup: LookupAll;
  isPublic: (address: string) => boolean;
}

const systemRules: AddressRules = {
  lookup: systemLookup,
  isPublic: isPublicAddress,
};

/** Connects to hosts after it has checked their addresses. */
export class GuardedConnect {
  readonly #rules: AddressRules;
  /** By host; `public` once it had a public address. */
  readonly #seen = new Map<string, 'public' | 'internal'>();

  constructor(rules: AddressRules = systemRules) {
    this.#rules = rules;
  }

  /**
   * For hosts that the administrator named: any address will do, but a host that had a public one does not get to
   * others afterwards.
   */
  named(options: buildConnector.BuildOptions): buildConnector.connector {
    return this.#connector(options, (host, addresses) => {
      const open = addresses.filter((address) => this.#rules.isPublic(address));
      if (open.length > 0) this.#seen.set(host, 'public');
      else if (this.#seen.get(host) !== 'public') this.#seen.set(host, 'internal');
      return this.#seen.get(host) === 'public' ? open : addresses;
    });
  }

  /** For hosts that an upstream named: public addresses only. */
  publicOnly(options: buildConnector.BuildOptions): buildConnector.connector {
    return this.#connector(options, (_, addresses) =>
      addresses.filter((address) => this.#rules.isPublic(address)),
    );
  }

  /**
   * Whether a host is on a private network or on this machine, as far as it is known: by its address, by the reserved
   * name `localhost`, or by the addresses of connections of {@link named}. Behind a proxy, only the proxy knows the
   * addresses.
   */
  isInternal(hostname: string): boolean {
    const host = bareHost(hostname);
    if (isIP(host) !== 0) return !this.#rules.isPublic(host);
    return /(^|\.)localhost\.?$/i.test(host) || this.#seen.get(host) === 'internal';
  }

  /** @param allowed those of the addresses of a host that may be connected to */
  #connector(
    options: buildConnector.BuildOptions,
    allowed: (host: string, addresses: readonly string[]) => readonly string[],
  ): buildConnector.connector {
    const check: CheckAddresses = (host, addresses) => {
      const checked = new Set(allowed(host, addresses));
      if (checked.size > 0 || addresses.length === 0) return checked;
      throw notPublic(host, addresses[0] ?? '');
    };
    const connect = buildConnector({ ...options, lookup: checkedLookup(this.#rules.lookup, check) });
    return (target, callback) => {
      try {
        checkAddressHost(target.hostname, check);
      } catch (refusal) {
        callback(asError(refusal), null);
        return;
      }
      connect(target, callback);
    };
  }
}

/** A host has no address that may be connected to. */
export class RefusedAddress extends HeadwaterError {}

function notPublic(host: string, address: string): RefusedAddress {
  const which = host === address ? address : `${host.slice(0, 260)} has the address ${address}, which`;
  return new RefusedAddress(
    'invalid',
    `${which} is on a private network or on this machine: a public upstream may not send Headwater there`,
  );
}
