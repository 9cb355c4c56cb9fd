import { expect, test } from 'vitest';
import { table } from '../../../src/cli/view/table.ts';

test('columns are aligned, and no line ends in spaces', () => {
  const rows = [
    { name: 'a', size: 5, note: '' },
    { name: 'longer than its title', size: 12_345, note: 'x' },
  ];
  const text = table(
    [
      { title: 'NAME', value: ({ name }) => name },
      { title: 'SIZE', value: ({ size }) => String(size), align: 'right' },
      { title: 'NOTE', value: ({ note }) => note },
    ],
    rows,
  );
  expect(text.split('\n')).toEqual([
    'NAME                    SIZE  NOTE',
    'a                          5',
    'longer than its title  12345  x',
  ]);
});
