import { expect, test } from 'vitest';
import { ExpiringMap } from '../../src/async/expiring-map.ts';

test('entries are forgotten after their lifetime, which begins again when they are set again', () => {
  let time = 0;
  const map = new ExpiringMap<string, number>(100, { now: () => time });
  map.set('a', 1);
  time = 60;
  map.set('b', 2);
  map.set('c', 3);
  expect([map.get('a'), map.get('b'), map.size]).toEqual([1, 2, 3]);
  time = 120;
  expect([map.get('a'), map.get('b'), map.size]).toEqual([undefined, 2, 2]);
  map.set('b', 4);
  time = 180;
  expect([map.get('b'), map.get('c'), map.size]).toEqual([4, undefined, 1]);
  time = 240;
  expect(map.size).toBe(0);
});

test('an entry can be deleted before its time', () => {
  const map = new ExpiringMap<string, number>(100);
  map.set('a', 1);
  map.delete('a');
  expect([map.get('a'), map.size]).toEqual([undefined, 0]);
});

test('beyond the most entries the oldest are dropped', () => {
  const map = new ExpiringMap<string, number>(100, { maxEntries: 2 });
  for (const key of ['a', 'b', 'a', 'c']) map.set(key, 1);
  expect([map.get('a'), map.get('b'), map.get('c'), map.size]).toEqual([1, undefined, 1, 2]);
});
