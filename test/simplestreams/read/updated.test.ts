import { expect, test } from 'vitest';
import { readUpdated } from '../../../src/simplestreams/read/updated.ts';

const moment = new Date('2026-11-24T08:11:02Z');

test.each([
  'Tue, 24 Nov 2026 08:11:02 +0000',
  'Tue, 24 Nov 2026 09:11:02 +0100',
  'Tue, 24 Nov 2026 08:11:02 GMT',
  '24 Nov 2026 08:11:02 UTC',
  '2026-11-24T08:11:02Z',
  '2026-11-24T08:11:02+00:00',
  '2026-11-24T03:11:02-0500',
  '2026-11-24 08:11:02',
  '2026-11-24T08:11:02.000000',
])('%s is understood, without a time zone as UTC', (text) => {
  expect(readUpdated(text)).toEqual(moment);
});

test('a day alone is its beginning', () => {
  expect(readUpdated('2026-11-24')).toEqual(new Date('2026-11-24T00:00:00Z'));
  expect(readUpdated('Tue, 3 Nov 2026 00:00 +0000')).toEqual(new Date('2026-11-03T00:00:00Z'));
});

test.each([
  undefined,
  null,
  1,
  '',
  'yesterday',
  'Tue, 24 Foo 2026 08:11:02 +0000',
  '2026-13-01',
  'release 1',
])('%s is no date', (value) => {
  expect(readUpdated(value)).toBeUndefined();
});
