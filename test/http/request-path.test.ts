import fc from 'fast-check';
import { expect, test } from 'vitest';
import { pathSegments } from '../../src/http/request-path.ts';

test.each([
  ['/images/a/b', ['images', 'a', 'b']],
  ['//images///a/b/', ['images', 'a', 'b']],
  ['/images/20260101_05%3A24/x', ['images', '20260101_05:24', 'x']],
  ['/a%2Fb', ['a/b']],
  ['/a?b=/c', ['a']],
  ['/', []],
])('%s has the segments %j', (target, segments) => {
  expect(pathSegments(target)).toEqual(segments);
});

test.each([
  '/a/../b',
  '/a/./b',
  '/.',
  '/a/%2e/b',
  '/a/%2e%2e/b',
  '/%zz',
  '/%ff',
  '/a%00',
  'a',
  '*',
  'http://host/a',
])('%s is no path', (target) => {
  expect(pathSegments(target)).toBeUndefined();
});

test('whatever comes, no segment climbs or is empty', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('/', '.', '%', '2', 'e', 'f', '0', 'a', '?', '#', '\\') }),
      (target) => {
        for (const segment of pathSegments(target) ?? []) {
          expect(segment).not.toBe('');
          expect(['.', '..']).not.toContain(segment);
          expect(segment).not.toContain('\0');
        }
      },
    ),
    { numRuns: 2000 },
  );
});
