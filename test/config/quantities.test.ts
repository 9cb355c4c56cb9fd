import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseDuration, parseSize, writeDuration, writeSize } from '../../src/config/quantities.ts';

describe('sizes', () => {
  test.each([
    ['0', 0],
    ['4096', 4096],
    ['16MiB', 16 * 2 ** 20],
    ['64 GiB', 64 * 2 ** 30],
    ['1.5GiB', 1.5 * 2 ** 30],
    ['2gb', 2e9],
    ['10kB', 10_000],
  ])('%s', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  test.each(['', 'MiB', '1.1', '-1', '1 2', '1XiB', '1e3', '0x10', '9007199254740993', '10 MiB/s'])(
    'not %s',
    (text) => {
      expect(parseSize(text)).toBeUndefined();
    },
  );

  test('written values are read back exactly', () => {
    fc.assert(
      fc.property(fc.nat(Number.MAX_SAFE_INTEGER), (bytes) => {
        expect(parseSize(writeSize(bytes))).toBe(bytes);
      }),
    );
    expect(writeSize(64 * 2 ** 30)).toBe('64GiB');
  });
});

describe('durations', () => {
  test.each([
    ['0s', 0],
    ['500ms', 500],
    ['30s', 30_000],
    ['6h', 21_600_000],
    ['1h30m', 5_400_000],
    ['30d', 2_592_000_000],
  ])('%s', (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds);
  });

  test.each(['', '6', 'h', '6 h', '1.5h', '-1h', '1w', '6h30'])('not %s', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });

  test('written values are read back exactly', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 40), (milliseconds) => {
        expect(parseDuration(writeDuration(milliseconds))).toBe(milliseconds);
      }),
    );
    expect(writeDuration(5_400_000)).toBe('1h30m');
  });
});
