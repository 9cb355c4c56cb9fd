import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { AddressLimit, addressKey } from './address-limit.ts';
import { type ProxyTrust, socketAddress } from './client-address.ts';
import type { OnRefused } from './refusals.ts';

/**
 * The number of open files in addition to those of connections: the catalog, threads, the log, blobs that are being
 * written.
 */
const reservedFiles = 256;

/** Admits new connections within the limits. A trusted proxy has no share of its own, only the total. */
export class ConnectionGate {
  readonly #limit: AddressLimit;
  readonly #proxies: ProxyTrust;
  readonly #onRefused: OnRefused;

  constructor(
    limit: { perAddress: number; total: number },
    services: { proxies: ProxyTrust; onRefused: OnRefused },
  ) {
    this.#limit = new AddressLimit(limit);
    this.#proxies = services.proxies;
    this.#onRefused = services.onRefused;
  }

  /** How many connections are open. */
  get open(): number {
    return this.#limit.open;
  }

  /** Whether a new connection may stay; otherwise it is closed. */
  admit(socket: Socket): boolean {
    const address = socketAddress(socket);
    const key = this.#proxies.isProxy(socket) ? undefined : addressKey(address);
    const exceeded = this.#limit.take(key);
    if (exceeded === undefined) {
      socket.once('close', () => this.#limit.release(key));
      return true;
    }
    this.#onRefused(exceeded === 'address' ? 'connectionsPerAddress' : 'connections', address);
    socket.destroy();
    return false;
  }
}

/**
 * How many connections this process can have, each with a file that is sent over it, within its limit of open files
 * (RLIMIT_NOFILE); undefined if the system does not show it.
 */
export function connectionCapacity(limits = readLimits()): number | undefined {
  const files = /^Max open files\s+(\d+)/m.exec(limits)?.[1];
  return files === undefined ? undefined : Math.max(16, Math.floor((Number(files) - reservedFiles) / 2));
}

function readLimits(): string {
  try {
    return readFileSync('/proc/self/limits', 'utf8');
  } catch {
    // Other systems have no such file.
    return '';
  }
}
