import { expect, test } from 'vitest';
import { humanDuration, humanSize, humanTime } from '../../../src/cli/view/human.ts';

test.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1.0 KiB'],
  [1_048_570, '1.0 MiB'],
  [103_284_736, '98.5 MiB'],
  [5 * 2 ** 40, '5.0 TiB'],
])('%d bytes', (bytes, text) => {
  expect(humanSize(bytes)).toBe(text);
});

test.each([
  [0.2, '0s'],
  [59.6, '1m00s'],
  [200, '3m20s'],
  [3_900, '1h05m'],
  [Number.POSITIVE_INFINITY, '-'],
])('%d seconds', (seconds, text) => {
  expect(humanDuration(seconds)).toBe(text);
});

test('times are in UTC, as serials are', () => {
  expect(humanTime(new Date('2026-01-31T05:24:59.999+01:00'))).toBe('2026-01-31 04:24');
});
