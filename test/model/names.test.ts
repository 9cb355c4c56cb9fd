import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseAlias, parseNamePart, parseSerial, parseStream, serialOf } from '../../src/model/names.ts';

test.each([
  ['20260131_0524', '20260131_0524'],
  ['20260131_05:24', '20260131_0524'],
  ['202601310524', '20260131_0524'],
  ['20260131', '20260131_0000'],
  ['20260131.1', '20260131_0001'],
  ['20260131.75', '20260131_0115'],
  ['20260131-2', '20260131_0002'],
  ['20260131-0524', '20260131_0524'],
  ['20260131T0524', '20260131_0524'],
  ['20260131T05:24Z', '20260131_0524'],
  ['20260131_052459', '20260131_0524'],
  ['20260131_05:24:59', '20260131_0524'],
  ['20260131052459', '20260131_0524'],
])('the serial %s is %s', (text, serial) => {
  expect(parseSerial(text)).toBe(serial);
});

test.each([
  '',
  '20260231_0000',
  '20260131_2460',
  '20260131_052460',
  '20260131.1440',
  '20260131.1.2',
  '20260131-x',
  '2026013',
  '20260131_0524 ',
  'v1',
  '20260131_052',
  '20261301',
])('the serial %j is refused', (text) => {
  expect(() => parseSerial(text)).toThrow(/expected a date and time as YYYYMMDD_HHMM/);
});

test('every moment has a serial that reads as itself', () => {
  const moments = fc.date({ min: new Date(0), max: new Date('9999-12-31'), noInvalidDate: true });
  fc.assert(
    fc.property(moments, (date) => {
      expect(parseSerial(serialOf(date))).toBe(serialOf(date));
    }),
  );
});

test('whatever is accepted as a name is safe in paths, product names and alias lists', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 20 }), (text) => {
      let name: string;
      try {
        name = parseNamePart('os', text);
      } catch {
        return;
      }
      expect(name).toMatch(/^[^\s/,:\\]+$/);
      expect(name).not.toContain('..');
      expect(encodeURIComponent(name).replaceAll('%2B', '+')).toBe(name);
    }),
    { numRuns: 2000 },
  );
});

test.each(['../x', 'a/b', 'a,b', 'a b', 'a\nb', '', '-a', '.a', 'a..b', 'ä', 'x'.repeat(65)])(
  'the name %j is refused, and the message says which field',
  (text) => {
    expect(() => parseNamePart('variant', text)).toThrow(/^variant /);
  },
);

test.each(['debian/bookworm', 'team/app:v1', 'a', 'A/b+c'])('the alias %s is accepted', (alias) => {
  expect(parseAlias(alias)).toBe(alias);
});

test.each(['', '/a', 'a/', 'a//b', 'a/../b', 'a,b', 'a b', 'a\u0000', 'x'.repeat(256)])(
  'the alias %j is refused',
  (alias) => {
    expect(() => parseAlias(alias)).toThrow(/^alias /);
  },
);

test('a stream cannot take the path of the index', () => {
  expect(() => parseStream('index')).toThrow(/index/);
});
