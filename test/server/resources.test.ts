import { expect, test } from 'vitest';
import { Resources } from '../../src/server/resources.ts';

test('what was opened is closed the other way round, groups in their place, and once', async () => {
  const closed: string[] = [];
  const opened = new Resources();
  opened.onClose('first', () => void closed.push('first'));
  const group = opened.group('group');
  opened.onClose('last', async () => void closed.push('last'));
  group.onClose('in the group', () => void closed.push('in the group'));
  group.onClose('later in the group', () => void closed.push('later in the group'));
  await opened.close();
  await opened.close();
  expect(closed).toEqual(['last', 'later in the group', 'in the group', 'first']);
});

test('every step is tried, and the errors are gathered and named', async () => {
  const closed: string[] = [];
  const opened = new Resources();
  opened.onClose('the catalog', () => void closed.push('the catalog'));
  opened.onClose('the store', () => {
    throw new Error('gone');
  });
  opened.onClose('the port', () => Promise.reject(new Error('busy')));
  await expect(opened.close()).rejects.toMatchObject({
    message: 'cannot close the port, the store',
    errors: [{ message: 'busy' }, { message: 'gone' }],
  });
  expect(closed).toEqual(['the catalog']);
});
