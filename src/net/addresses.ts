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

/** What the configuration says of a server's addresses. */
export interface ConfiguredAddresses {
  listen: { address: string };
  /** How clients reach it, where that is not what it listens on. */
  publicUrl?: string | undefined;
}

/** Where clients may reach a server that listens on `port`, as `host:port`. */
export function reachableAddresses({ publicUrl, listen }: ConfiguredAddresses, port: number): string[] {
  if (publicUrl !== undefined) {
    const { hostname: host, port: given, protocol } = new URL(publicUrl);
    return [`${host}:${given || (protocol === 'https:' ? 443 : 80)}`];
  }
  const everywhere = listen.address === '::' || listen.address === '0.0.0.0';
  const hosts = everywhere ? machineAddresses({ loopback: false }) : [listen.address];
  return hosts.map((host) => `${host.includes(':') ? `[${host}]` : host}:${port}`);
}
