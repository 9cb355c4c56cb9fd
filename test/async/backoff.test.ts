import { describe, expect, test } from 'vitest';
import { delayAfter, retry } from '../../src/async/backoff.ts';
import { Slots } from '../../src/async/semaphore.ts';

const options = { tries: 4, firstDelay: 1, longestDelay: 5 };

describe('retry', () => {
  test('ends with the first success', async () => {
    let tries = 0;
    const attempt = async () => {
      tries++;
      if (tries < 3) throw new Error('not yet');
      return 'done';
    };
    expect(await retry(attempt, () => true, options)).toBe('done');
    expect(tries).toBe(3);
  });

  test('gives up after the last try, with its error', async () => {
    let tries = 0;
    const attempt = async () => {
      throw new Error(`failure ${++tries}`);
    };
    await expect(retry(attempt, () => true, options)).rejects.toThrow('failure 4');
  });

  test('does not repeat what cannot succeed', async () => {
    let tries = 0;
    const attempt = async () => {
      tries++;
      throw new Error('never');
    };
    await expect(retry(attempt, () => false, options)).rejects.toThrow('never');
    expect(tries).toBe(1);
  });

  test('waits longer each time, up to a limit, and never equally long', () => {
    const times = { tries: 9, firstDelay: 100, longestDelay: 1000 };
    const most = [100, 200, 400, 800, 1000, 1000];
    for (const [index, limit] of most.entries()) {
      const delays = Array.from({ length: 50 }, () => delayAfter(index + 1, times));
      expect(Math.min(...delays)).toBeGreaterThanOrEqual(limit / 2);
      expect(Math.max(...delays)).toBeLessThanOrEqual(limit);
      expect(new Set(delays).size).toBeGreaterThan(1);
    }
  });
});

test('slots let so many in at a time, in the order in which they came', async () => {
  const slots = new Slots(2);
  const order: number[] = [];
  let inside = 0;
  let most = 0;
  await Promise.all(
    [1, 2, 3, 4, 5].map(async (number) => {
      const giveBack = await slots.take();
      order.push(number);
      most = Math.max(most, ++inside);
      await new Promise((resolve) => setImmediate(resolve));
      inside--;
      giveBack();
    }),
  );
  expect(order).toEqual([1, 2, 3, 4, 5]);
  expect(most).toBe(2);
});
