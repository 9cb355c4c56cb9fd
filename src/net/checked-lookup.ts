import { type LookupAddress, type LookupOptions, lookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { asError } from '../errors.ts';

/** Finds all addresses of a host. */
export type LookupAll = (
  host: string,
  options: LookupOptions,
  callback: (error: Error | null, found: LookupAddress[]) => void,
) => void;

/** The addresses of a host, as the system knows them. */
export const systemLookup: LookupAll = (host, options, callback) =>
  lookup(host, { ...options, all: true }, callback);

/** Chooses those of the addresses of a host that may be connected to. @throws Error to refuse the host */
export type CheckAddresses = (host: string, addresses: readonly string[]) => ReadonlySet<string>;

/**
 * A lookup of host names for connections. A name is resolved once for each connection, and only an address that was
 * checked is connected to, so that a name server cannot give another one to the connection.
 */
export function checkedLookup(lookupAll: LookupAll, check: CheckAddresses): LookupFunction {
  return (host, options, callback) =>
    lookupAll(host, options, (error, addresses) => {
      if (error !== null) return callback(error, []);
      let checked: ReadonlySet<string>;
      try {
        checked = check(
          host,
          addresses.map(({ address }) => address),
        );
      } catch (refusal) {
        return callback(asError(refusal), []);
      }
      const usable = addresses.filter(({ address }) => checked.has(address));
      const [first] = usable;
      if (options.all === true) callback(null, usable);
      else callback(null, first?.address ?? '', first?.family);
    });
}

/**
 * Checks a host that is an address, which is not looked up.
 * @param hostname as in a URL, where an IPv6 address has brackets
 * @throws Error as the check
 */
export function checkAddressHost(hostname: string, check: CheckAddresses): void {
  const host = bareHost(hostname);
  if (isIP(host) !== 0) check(host, [host]);
}

/** A host without the brackets that an IPv6 address has in a URL. */
export function bareHost(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '');
}
