/** The exceeded limit: the share of one address, or the total. */
export type Exceeded = 'address' | 'total';

/**
 * Counts the open connections or requests of each address. No address gets more than its share. The last tenth of the
 * total is reserved for addresses that have nothing open: a health check is answered under attack.
 */
export class AddressLimit {
  readonly #perAddress: number;
  readonly #total: number;
  readonly #shared: number;
  readonly #counts = new Map<string, number>();
  #open = 0;

  constructor(limit: { perAddress: number; total: number }) {
    this.#perAddress = limit.perAddress;
    this.#total = limit.total;
    this.#shared = Math.ceil(limit.total * 0.9);
  }

  /** The number of open ones, of all addresses together. */
  get open(): number {
    return this.#open;
  }

  /**
   * Counts one more, until {@link release}.
   * @param key of {@link addressKey}; undefined for an address without a share of its own, such as a trusted proxy
   * @returns the exceeded limit; undefined when it was accepted
   */
  take(key: string | undefined): Exceeded | undefined {
    const count = key === undefined ? 0 : (this.#counts.get(key) ?? 0);
    if (count >= this.#perAddress) return 'address';
    if (this.#open >= (count === 0 ? this.#total : this.#shared)) return 'total';
    if (key !== undefined) this.#counts.set(key, count + 1);
    this.#open++;
    return undefined;
  }

  release(key: string | undefined): void {
    this.#open--;
    if (key === undefined) return;
    const left = (this.#counts.get(key) ?? 1) - 1;
    if (left === 0) this.#counts.delete(key);
    else this.#counts.set(key, left);
  }
}

/**
 * The address as limits count it. An IPv6 client usually has a network of 2^64 addresses, so its first 64 bits count.
 */
export function addressKey(address: string): string {
  // Every request calls this: it does no more than necessary.
  if (!address.includes(':')) return address;
  const [before = '', after] = (address.split('%')[0] ?? '').split('::');
  const head = before === '' ? [] : before.split(':');
  if (after !== undefined) {
    const tail = after === '' ? [] : after.split(':');
    // An IPv4 address at the end counts as two groups.
    const length = tail.length + (after.includes('.') ? 1 : 0);
    while (head.length + length < 8) head.push('0');
    head.push(...tail);
  }
  const groups = head.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16));
  return `${groups.join(':')}::/64`;
}
