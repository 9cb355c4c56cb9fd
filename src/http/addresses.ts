import { networkInterfaces } from 'node:os';

/**
 * The addresses of this machine that another one may reach it by.
 * @param options.loopback include the ones that only this machine reaches itself by
 */
export function machineAddresses(options: { loopback: boolean }): string[] {
  const addresses = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter(({ internal }) => options.loopback || !internal)
    .map(({ address }) => address)
    // A link-local address means nothing without the interface it is on.
    .filter((address) => !address.startsWith('fe80:'));
  return [...new Set(addresses)];
}
