import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { grant, matchesPattern, parsePattern } from '../../src/model/rights.ts';

describe('a pattern of names', () => {
  test.each([
    ['team/app', 'team/app', true],
    ['team/app', 'team/app2', false],
    ['team/*', 'team/app', true],
    ['team/*', 'team/app/v1:x', true],
    ['team/*', 'team', false],
    ['*', 'anything/at:all', true],
    ['*/app', 'a/b/app', true],
    ['v?', 'v1', true],
    ['v?', 'v', false],
    ['debian:*:amd64:*', 'debian:bookworm:amd64:default', true],
    ['a*b*c', 'a-b-b-c', true],
    ['a*b*c', 'a-c-b', false],
    ['Team/*', 'team/app', false],
  ])('%s for %s: %s', (pattern, name, expected) => {
    expect(matchesPattern(pattern, name)).toBe(expected);
  });

  test('means what the same regular expression means', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', '/'), maxLength: 12 });
    const signs = fc.string({ unit: fc.constantFrom('a', 'b', '/', '*', '?'), maxLength: 8 });
    fc.assert(
      fc.property(signs, letters, (pattern, name) => {
        const expression = new RegExp(`^${pattern.replaceAll('*', '.*').replaceAll('?', '.')}$`);
        expect(matchesPattern(pattern, name)).toBe(expression.test(name));
      }),
      { numRuns: 2000 },
    );
  });

  test('with many stars costs little', () => {
    // A regular expression with as many would go on for years.
    expect(matchesPattern(`${'a*'.repeat(100)}b`, 'a'.repeat(255))).toBe(false);
  });

  test.each(['', 'a b', 'a\n', 'ä', '[a]', 'x'.repeat(256)])('is refused: %j', (text) => {
    expect(() => parsePattern(text)).toThrow('name pattern');
  });
});

describe('the rights of a new token', () => {
  const options = { pushedTo: 'pushed' };

  test('are read and publish for the HTTP API, everywhere, unless something else is said', () => {
    expect(grant('api', {}, options)).toEqual({ actions: ['read', 'publish'] });
    expect(grant('api', { role: 'publish' }, options)).toEqual({ actions: ['read', 'publish', 'remove'] });
  });

  test('are to publish for a client that joins, in the stream for pushed images, unless something else is said', () => {
    expect(grant('join', {}, options)).toEqual({
      actions: ['read', 'publish', 'remove'],
      streams: ['pushed'],
    });
    expect(grant('join', { streams: ['images'], names: ['a/*'] }, options)).toMatchObject({
      streams: ['images'],
      names: ['a/*'],
    });
    expect(grant('join', { role: 'admin' }, options)).toEqual({ actions: ['admin'] });
  });

  test('are a role or actions, not both', () => {
    expect(() => grant('api', { role: 'read', actions: ['read'] }, options)).toThrow('one of the two');
  });
});
