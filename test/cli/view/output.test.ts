import { expect, test } from 'vitest';
import { printable } from '../../../src/cli/view/output.ts';

test('what others wrote does not command the terminal', () => {
  expect(printable('a\u001b[31mb\u009bc\rd')).toBe('a\\x1b[31mb\\x9bc\\x0dd');
  expect(printable('ä\tb\n€ 漢')).toBe('ä\tb\n€ 漢');
});
