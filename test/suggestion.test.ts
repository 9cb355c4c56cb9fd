import { expect, test } from 'vitest';
import { suggest } from '../src/suggestion.ts';

test.each([
  ['listen.prt', 'listen.port'],
  ['listenport', 'listen.port'],
  ['nigthly', 'nightly'],
  ['Nightly', 'nightly'],
  ['something', undefined],
  ['x', undefined],
])('%s is taken for %s', (word, expected) => {
  expect(suggest(word, ['listen.port', 'listen.address', 'nightly', 'images'])).toBe(expected);
});
