import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { ConfiguredAddresses } from './addresses.ts';
import { familyOf } from './networks.ts';

/** The addresses of this server: of its listener, and of `publicUrl`, which may be a proxy on another machine. */
export class OwnAddresses {
  readonly #listen: string;
  readonly #listener: { readonly port: number | undefined };
  readonly #public: { host: string; port: number } | undefined;
  #publicAddresses: readonly string[] = [];

  /** @param listener has a port once it listens */
  constructor({ listen, publicUrl }: ConfiguredAddresses, listener: { readonly port: number | undefined }) {
    this.#listen = listen.address;
    this.#listener = listener;
    if (publicUrl === undefined) return;
    const url = new URL(publicUrl);
    const host = url.hostname.replace(/^\[|\]$/g, '');
    this.#public = { host, port: Number(url.port || (url.protocol === 'https:' ? 443 : 80)) };
  }

  /** Looks up the present addresses of the name in `publicUrl`. A name that cannot be looked up has none. */
  async refresh(): Promise<void> {
    if (this.#public === undefined) return;
    const addresses = await lookup(this.#public.host, { all: true }).catch(() => []);
    this.#publicAddresses = addresses.map(({ address }) => address);
  }

  /**
   * Whether an address belongs to this server, in any notation; the addresses of this machine are looked up each time.
   */
  includes(address: string, port: number): boolean {
    const ours = new BlockList();
    if (port === this.#listener.port) this.#addLocal(ours);
    if (port === this.#public?.port) for (const each of this.#publicAddresses) add(ours, each);
    // Finds IPv4 addresses that are written as IPv6, too.
    return ours.check(address, familyOf(address));
  }

  #addLocal(ours: BlockList): void {
    const isSpecific = isIP(this.#listen) !== 0 && !/^(0\.0\.0\.0|[0:]+)$/.test(this.#listen);
    // A connection to the unspecified address reaches this machine.
    for (const address of ['0.0.0.0', '::']) add(ours, address);
    if (isSpecific) {
      add(ours, this.#listen);
      return;
    }
    ours.addSubnet('127.0.0.0', 8, 'ipv4');
    add(ours, '::1');
    for (const { address } of Object.values(networkInterfaces()).flatMap((list) => list ?? [])) {
      add(ours, address);
    }
  }
}

function add(list: BlockList, address: string): void {
  list.addAddress(address, familyOf(address));
}
