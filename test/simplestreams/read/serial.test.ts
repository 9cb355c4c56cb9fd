import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  assignSerials,
  compareVersionNames,
  isVersionName,
  knownSerials,
  serialFromUpstream,
} from '../../../src/simplestreams/read/serial.ts';

test.each([
  ['20260101_05:24', '20260101_0524'],
  ['20260101_0524', '20260101_0524'],
  ['202601010524', '20260101_0524'],
  ['20231211', '20231211_0000'],
  ['20231211.1', '20231211_0001'],
  ['20231211.75', '20231211_0115'],
])('%s is called %s', (name, serial) => {
  expect(serialFromUpstream(name)).toBe(serial);
});

test.each(['', 'latest', '2023', '20231311', '20231211.1440', '20231211.x', '20231211.1.2', '20231211_2460'])(
  '%s has no serial',
  (name) => {
    expect(serialFromUpstream(name)).toBeUndefined();
  },
);

test('counters of a day keep their order and never meet', () => {
  const counter = fc.integer({ min: 0, max: 1439 });
  fc.assert(
    fc.property(counter, counter, (one, other) => {
      const [first = '', second = ''] = [one, other].map((number) =>
        serialFromUpstream(`20231211.${number}`),
      );
      expect(Math.sign(one - other)).toBe(first < second ? -1 : first > second ? 1 : 0);
    }),
  );
});

test.each([
  ['20261101_050010', '20261101_0500'],
  ['20261101_05:24:10', '20261101_0524'],
  ['20261101-0500', '20261101_0500'],
  ['20261101T0500', '20261101_0500'],
  ['20261101-1', '20261101_0001'],
  ['20261101_0500_1', '20261101_0500'],
  ['20261101.1500', '20261101_2359'],
  ['20261101050010', '20261101_0500'],
  ['20261101-rc1', '20261101_0000'],
  ['20261101', '20261101_0000'],
])('%s by itself becomes %s', (name, serial) => {
  expect([...assignSerials([name])]).toEqual([[name, serial]]);
});

test.each([
  '',
  'latest',
  '2026110',
  '20261301_0500',
  'v20261101',
  '20261101 0500',
  `20261101${'x'.repeat(100)}`,
])('clients take no version %j, or it can be nothing here', (name) => {
  expect(isVersionName(name)).toBe(false);
});

test('names within a minute become minutes of their own, in their order', () => {
  const names = [
    '20261101_050040',
    '20261101_0501',
    '20261101_050010',
    '20261101_0500',
    '20261031.2',
    '20261031.10',
  ];
  expect(Object.fromEntries(assignSerials(names))).toEqual({
    '20261031.2': '20261031_0002',
    '20261031.10': '20261031_0010',
    '20261101_0500': '20261101_0500',
    '20261101_050010': '20261101_0501',
    '20261101_050040': '20261101_0502',
    '20261101_0501': '20261101_0503',
  });
});

test('what is here keeps its serial when older names go and newer ones come', () => {
  const first = assignSerials(['20261101_050010', '20261101_050040']);
  expect([...first.values()]).toEqual(['20261101_0500', '20261101_0501']);
  const held = [...first].map(([name, serial]) => ({ name, serial }));
  const later = ['20261101_050040', '20261101_050050', '20261101_0502'];
  expect(Object.fromEntries(assignSerials(later, knownSerials(held, later)))).toEqual({
    '20261101_050040': '20261101_0501',
    '20261101_050050': '20261101_0502',
    '20261101_0502': '20261101_0503',
  });
});

test('a version whose name was not noted is the one that its serial names', () => {
  const names = ['202611010500', '20261101_0500', '20261101_0501'];
  const held = [{ serial: '20261101_0500', name: undefined }];
  const serials = assignSerials(names, knownSerials(held, names));
  expect(serials.get('202611010500')).toBe('20261101_0500');
  expect(new Set(serials.values()).size).toBe(3);
});

test('where there is no minute between two that are known, a name has no serial', () => {
  const known = new Map([
    ['20261101_050010', '20261101_0500'],
    ['20261101_050030', '20261101_0501'],
  ]);
  expect(assignSerials(['20261101_050020'], known).size).toBe(0);
});

const versionName = fc
  .tuple(
    fc.constantFrom('20261031', '20261101'),
    fc.oneof(
      fc.constant(''),
      fc.integer({ min: 0, max: 1500 }).map((number) => `.${number}`),
      fc.integer({ min: 0, max: 99 }).map((number) => `-${number}`),
      fc
        .tuple(
          fc.constantFrom('_', '-', 'T', ''),
          fc.integer({ min: 0, max: 3 }),
          fc.integer({ min: 0, max: 59 }),
        )
        .map(([separator, minute, second]) => `${separator}050${minute}${String(second).padStart(2, '0')}`),
      fc.constantFrom('_0500', '_05:00', 'T0500', '_0500_1', '_0500_2', '-rc1', '_2359', '_235959'),
    ),
  )
  .map(([day, rest]) => day + rest);
const versionNames = fc.uniqueArray(versionName, { maxLength: 40 });

/** The serials of names, in the order of the names. */
function inOrder(serials: ReadonlyMap<string, string>): string[] {
  return [...serials.keys()].sort(compareVersionNames).map((name) => serials.get(name) ?? '');
}

test('serials have the order of the names, are all different, and are of the same day', () => {
  fc.assert(
    fc.property(versionNames, (names) => {
      const serials = assignSerials(names);
      expect(serials.size).toBe(names.length);
      const ordered = inOrder(serials);
      expect(ordered).toEqual([...new Set(ordered)].sort());
      for (const [name, serial] of serials) {
        expect(serial.slice(0, 8)).toBe(name.slice(0, 8));
        expect(serialFromUpstream(serial)).toBe(serial);
      }
      expect(assignSerials([...names].reverse())).toEqual(
        new Map(names.map((name) => [name, serials.get(name)])),
      );
    }),
  );
});

test('serials stay while names come and go, and those that come fit between them', () => {
  fc.assert(
    fc.property(fc.array(versionNames, { minLength: 2, maxLength: 5 }), (rounds) => {
      const here = new Map<string, string>();
      for (const names of rounds) {
        const held = [...here].map(([name, serial]) => ({ name, serial }));
        const serials = assignSerials(names, knownSerials(held, names));
        for (const [name, serial] of serials) {
          expect(here.get(name) ?? serial).toBe(serial);
          here.set(name, serial);
        }
        const ordered = inOrder(here);
        expect(ordered).toEqual([...new Set(ordered)].sort());
      }
    }),
  );
});

test('names have one order', () => {
  fc.assert(
    fc.property(versionName, versionName, versionName, (a, b, c) => {
      expect(Math.sign(compareVersionNames(a, b)) + Math.sign(compareVersionNames(b, a))).toBe(0);
      if (compareVersionNames(a, b) <= 0 && compareVersionNames(b, c) <= 0) {
        expect(compareVersionNames(a, c)).toBeLessThanOrEqual(0);
      }
    }),
  );
});
