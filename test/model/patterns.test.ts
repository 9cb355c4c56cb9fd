import { expect, test } from 'vitest';
import { compilePatterns } from '../../src/model/patterns.ts';

test.each([
  [['debian'], ['Debian'], true],
  [['deb*'], ['ubuntu', 'debian'], true],
  [['d?bian'], ['dbian'], false],
  [['*', '!sid'], ['sid'], false],
  [['!sid'], ['bookworm'], true],
  [['!sid'], ['bookworm', 'sid'], false],
  [['a.b'], ['axb'], false],
  [['a'], [], false],
])('%j of %j: %s', (patterns, values, expected) => {
  expect(compilePatterns(patterns)(values)).toBe(expected);
});
