import { networkInterfaces } from 'node:os';
import { describe, expect, test } from 'vitest';
import { OwnAddresses } from '../../src/net/own-addresses.ts';

const at = (address: string, publicUrl?: string) =>
  new OwnAddresses(
    { listen: { address }, ...(publicUrl === undefined ? {} : { publicUrl }) },
    { port: 8443 },
  );
const interfaces = Object.values(networkInterfaces()).flatMap((list) =>
  (list ?? []).map((each) => each.address),
);

describe.each(['0.0.0.0', '::'])('a server that listens on %s', (address) => {
  test.each([
    '127.0.0.1',
    '127.0.0.5',
    '127.255.0.1',
    '::1',
    '0:0:0:0:0:0:0:1',
    '::ffff:127.0.0.5',
    '::ffff:7f00:5',
    '0.0.0.0',
    '::',
    ...interfaces,
  ])('is reached by %s, on its port only', (own) => {
    expect(at(address).includes(own, 8443)).toBe(true);
    expect(at(address).includes(own, 9443)).toBe(false);
  });

  test('is not reached by the addresses of others', () => {
    for (const other of ['192.0.2.1', '::ffff:192.0.2.1', '2001:db8::1']) {
      expect(at(address).includes(other, 8443)).toBe(false);
    }
  });
});

test('a server that listens on one address leaves the others of its machine to others', () => {
  expect(at('127.0.0.2').includes('127.0.0.2', 8443)).toBe(true);
  expect(at('127.0.0.2').includes('127.0.0.5', 8443)).toBe(false);
});

test('what publicUrl means is the server too, on its own port', async () => {
  const byAddress = at('127.0.0.2', 'https://192.0.2.7');
  const byName = at('127.0.0.2', 'https://localhost:8000');
  for (const own of [byAddress, byName]) await own.refresh();
  expect(byAddress.includes('192.0.2.7', 443)).toBe(true);
  expect(byAddress.includes('192.0.2.7', 8443)).toBe(false);
  expect(byName.includes('127.0.0.1', 8000)).toBe(true);
});
