import { BlockList, isIP } from 'node:net';

// The special-purpose address registries of IANA (RFC 6890 and its updates), and what belongs to them.

const specialNetworks = new BlockList();
for (const [network, prefix] of [
  // This host, private, shared (carrier-grade NAT), loopback, link-local.
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  // Protocol assignments, documentation, 6to4 relays, benchmarks.
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  // Multicast, reserved, broadcast.
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const) {
  specialNetworks.addSubnet(network, prefix, 'ipv4');
}
for (const [network, prefix] of [
  // Unspecified, loopback, and IPv4-compatible addresses, which nothing uses any more.
  ['::', 96],
  // Local NAT64, discard, dummy.
  ['64:ff9b:1::', 48],
  ['100::', 64],
  // Teredo, benchmarks, ORCHID; documentation; 6to4: ways to IPv4 addresses or to nowhere.
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
  ['5f00::', 16],
  // Unique local, link-local, site-local, multicast.
  ['fc00::', 7],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
] as const) {
  specialNetworks.addSubnet(network, prefix, 'ipv6');
}

/** The prefixes under which an IPv6 address is an IPv4 one: mapped, translated, NAT64. */
const embeddedPrefixes = ['0:0:0:0:0:ffff:', '0:0:0:0:ffff:0:', '64:ff9b:0:0:0:0:'];

/**
 * Whether an address belongs to the public internet: not to this machine, to a private network or to a special purpose.
 * IPv4 addresses within IPv6 ones count as IPv4.
 */
export function isPublicAddress(address: string): boolean {
  const plain = address.replace(/%.*$/, '');
  if (isIP(plain) === 4) return !specialNetworks.check(plain, 'ipv4');
  if (isIP(plain) !== 6) return false;
  const inner = embeddedAddress(plain);
  return inner === undefined ? !specialNetworks.check(plain, 'ipv6') : isPublicAddress(inner);
}

function embeddedAddress(address: string): string | undefined {
  const groups = groupsOf(address);
  const text = groups.map((group) => group.toString(16)).join(':');
  if (!embeddedPrefixes.some((prefix) => text.startsWith(prefix))) return undefined;
  const [high = 0, low = 0] = groups.slice(6);
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

/** The eight groups of an IPv6 address. */
function groupsOf(address: string): number[] {
  // URL writes the last 32 bits as two groups, whatever they were written as.
  const [head = '', tail] = new URL(`http://[${address}]/`).hostname.slice(1, -1).split('::');
  const numbers = (text: string) =>
    text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
  const first = numbers(head);
  const last = numbers(tail ?? '');
  return [...first, ...new Array<number>(8 - first.length - last.length).fill(0), ...last];
}
