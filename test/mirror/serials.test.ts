import fc from 'fast-check';
import { expect, test } from 'vitest';
import { serialFromUpstream } from '../../src/mirror/serials.ts';

test.each([
  ['20260101_05:24', '20260101_0524'],
  ['20260101_0524', '20260101_0524'],
  ['202601010524', '20260101_0524'],
  ['20231211', '20231211_0000'],
  ['20231211.1', '20231211_0001'],
  ['20231211.75', '20231211_0115'],
])('%s is called %s', (name, serial) => {
  expect(serialFromUpstream(name)).toBe(serial);
});

test.each(['', 'latest', '2023', '20231311', '20231211.1440', '20231211.x', '20231211.1.2', '20231211_2460'])(
  '%s has no serial',
  (name) => {
    expect(serialFromUpstream(name)).toBeUndefined();
  },
);

test('counters of a day keep their order and never meet', () => {
  const counter = fc.integer({ min: 0, max: 1439 });
  fc.assert(
    fc.property(counter, counter, (one, other) => {
      const [first = '', second = ''] = [one, other].map((number) =>
        serialFromUpstream(`20231211.${number}`),
      );
      expect(Math.sign(one - other)).toBe(first < second ? -1 : first > second ? 1 : 0);
    }),
  );
});
