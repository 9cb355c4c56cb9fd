import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HeadwaterError } from '../../../src/errors.ts';
import { upstreamPath } from '../../../src/simplestreams/read/path.ts';

test.each([
  ['images/a/b.squashfs', 'images/a/b.squashfs'],
  ['/images//a', 'images/a'],
  ['./images/./20260101_05:24/x', 'images/20260101_05:24/x'],
  ['a%20b', 'a%20b'],
  ['my images/a b.squashfs', 'my images/a b.squashfs'],
])('%s is fetched as %s', (path, expected) => {
  expect(upstreamPath(path, 'path')).toBe(expected);
});

test.each([
  '',
  '/',
  '..',
  'a/../b',
  '../../etc/passwd',
  '%2e%2e/a',
  'a/%2E./b',
  'a%2f..%2fb',
  'https://elsewhere.example.com/a',
  '//elsewhere/..',
  'a\\..\\b',
  'a?b',
  'a#b',
  'a\nb',
  'a%zz',
])('%j is refused', (path) => {
  expect(() => upstreamPath(path, 'images.json: path')).toThrow(
    /images\.json: path: .*points outside of the upstream/,
  );
});

test('whatever is accepted stays below the base', () => {
  const base = 'https://upstream.example.com/base/';
  const pieces = fc.constantFrom(
    '..',
    '.',
    '/',
    '%2e',
    '%2f',
    '\\',
    ':',
    'a',
    'http:',
    '//',
    '%',
    '?',
    '#',
    '\t',
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 8 }), (parts) => {
      let path: string;
      try {
        path = upstreamPath(parts.join(''), 'path');
      } catch (error) {
        expect(error).toBeInstanceOf(HeadwaterError);
        return;
      }
      const { href } = new URL(`${base}${path}`);
      expect(href.startsWith(base)).toBe(true);
      expect(decodeURIComponent(href)).not.toMatch(/(^|\/)\.\.(\/|$)/);
    }),
  );
});
