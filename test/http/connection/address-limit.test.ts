import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AddressLimit, addressKey } from '../../../src/http/connection/address-limit.ts';

test('an address gets its share and no more, until it gives some back', () => {
  const limit = new AddressLimit({ perAddress: 2, total: 100 });
  expect([limit.take('a'), limit.take('a'), limit.take('a')]).toEqual([undefined, undefined, 'address']);
  expect(limit.take('b')).toBeUndefined();
  limit.release('a');
  expect([limit.take('a'), limit.open]).toEqual([undefined, 3]);
});

test('the last tenth is for addresses that have nothing open', () => {
  const limit = new AddressLimit({ perAddress: 20, total: 20 });
  for (let count = 0; count < 18; count++) expect(limit.take('a')).toBeUndefined();
  expect(limit.take('a')).toBe('total');
  expect([limit.take('b'), limit.take('b'), limit.take('c'), limit.take('d')]).toEqual([
    undefined,
    'total',
    undefined,
    'total',
  ]);
});

test('one without a share of its own has the total only', () => {
  const limit = new AddressLimit({ perAddress: 1, total: 10 });
  for (let count = 0; count < 10; count++) expect(limit.take(undefined)).toBeUndefined();
  expect(limit.take(undefined)).toBe('total');
});

test('whatever is taken and released, neither limit is passed, and nothing stays', () => {
  const actions = fc.array(fc.record({ key: fc.constantFrom('a', 'b', 'c'), take: fc.boolean() }));
  fc.assert(
    fc.property(actions, (list) => {
      const limit = new AddressLimit({ perAddress: 3, total: 6 });
      const open: string[] = [];
      for (const { key, take } of list) {
        if (take && limit.take(key) === undefined) open.push(key);
        else if (!take && open.includes(key)) limit.release(open.splice(open.indexOf(key), 1)[0] ?? '');
        expect(open.filter((each) => each === key).length).toBeLessThanOrEqual(3);
        expect(limit.open).toBe(open.length);
        expect(open.length).toBeLessThanOrEqual(6);
      }
      for (const key of open) limit.release(key);
      expect(limit.open).toBe(0);
      for (const key of ['a', 'b', 'c']) expect(limit.take(key)).toBeUndefined();
    }),
  );
});

test.each([
  ['192.0.2.7', '192.0.2.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::', '2001:db8:1:2::/64'],
  ['2001:0DB8:01:2::9', '2001:db8:1:2::/64'],
  ['2001:db8::9', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['1::2:3:4:5:6:7', '1:0:2:3::/64'],
  ['64:ff9b::192.0.2.7', '64:ff9b:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['a closed connection', 'a closed connection'],
])('%s counts as %s', (address, key) => {
  expect(addressKey(address)).toBe(key);
});
