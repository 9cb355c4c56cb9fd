import { afterEach, expect, test, vi } from 'vitest';
import { ShortMemory } from '../../src/async/expiring-map.ts';

afterEach(() => vi.useRealTimers());

test('things are remembered for their time, and nothing is held beyond it', () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  const memory = new ShortMemory<string, number>(100);
  memory.set('a', 1);
  vi.advanceTimersByTime(60);
  memory.set('b', 2);
  memory.set('c', 3);
  expect([memory.get('a'), memory.get('b'), memory.size]).toEqual([1, 2, 3]);
  vi.advanceTimersByTime(60);
  expect([memory.get('a'), memory.get('b'), memory.size]).toEqual([undefined, 2, 2]);
  memory.set('b', 4);
  vi.advanceTimersByTime(60);
  expect([memory.get('b'), memory.get('c'), memory.size]).toEqual([4, undefined, 1]);
  vi.advanceTimersByTime(60);
  expect(memory.size).toBe(0);
});
