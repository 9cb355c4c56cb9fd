import type { IncomingMessage } from 'node:http';
import { isIP, type Socket } from 'node:net';
import { Networks } from '../../net/networks.ts';

/** The addresses of requests that {@link ProxyTrust} has seen. */
const seen = new WeakMap<IncomingMessage, string>();

/** The address of the sender of a request, according to trusted proxies (`trustedProxies`). */
export function clientAddress(request: IncomingMessage): string {
  return seen.get(request) ?? peerAddress(request);
}

/** Decides which proxies are trusted about the address of a request's sender. */
export class ProxyTrust {
  readonly #trusted: Networks;

  /** @param proxies addresses and networks */
  constructor(proxies: readonly string[]) {
    this.#trusted = new Networks(proxies);
  }

  /**
   * Determines the sender's address of a request, for {@link clientAddress}; at once, because a closed connection no
   * longer has it. Every proxy appends the address of its client to `X-Forwarded-For`, so entries of trusted proxies
   * are at the end, and entries of the client before them.
   */
  see(request: IncomingMessage): void {
    let address = peerAddress(request);
    const header = request.headers['x-forwarded-for'];
    const said = (Array.isArray(header) ? header.join() : (header ?? '')).split(',').reverse();
    for (const entry of said) {
      if (!this.#trusted.includes(address)) break;
      const next = readAddress(entry);
      if (next === undefined) break;
      address = next;
    }
    seen.set(request, address);
  }

  /** Whether a connection comes from a trusted proxy, which many clients share. */
  isProxy(socket: Socket): boolean {
    return this.#trusted.includes(socketAddress(socket));
  }
}

/** The peer address of a request's connection, of a client or a proxy. */
export function peerAddress(request: IncomingMessage): string {
  return socketAddress(request.socket);
}

/** The peer address of a connection. */
export function socketAddress(socket: Socket): string {
  return plain(socket.remoteAddress ?? 'a closed connection');
}

/** An address that may be followed by a port: `192.0.2.1:4711`, `[2001:db8::1]:4711`. */
function readAddress(entry: string): string | undefined {
  const text = entry.trim();
  const address = /^\[(.+)\](?::\d+)?$/.exec(text)?.[1] ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text;
  // The zone of another machine (`fe80::1%eth0`) means nothing here.
  return isIP(address) === 0 || address.includes('%') ? undefined : plain(address);
}

/** IPv4 through a socket of IPv6 is written as `::ffff:192.0.2.1`. */
function plain(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '');
}
