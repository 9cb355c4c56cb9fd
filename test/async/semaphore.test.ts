import { expect, test } from 'vitest';
import { Semaphore } from '../../src/async/semaphore.ts';

test('so many are let in at a time, in the order in which they came', async () => {
  const semaphore = new Semaphore(2);
  const order: number[] = [];
  let inside = 0;
  let most = 0;
  await Promise.all(
    [1, 2, 3, 4, 5].map(async (number) => {
      const release = await semaphore.acquire();
      order.push(number);
      most = Math.max(most, ++inside);
      await new Promise((resolve) => setImmediate(resolve));
      inside--;
      release();
    }),
  );
  expect(order).toEqual([1, 2, 3, 4, 5]);
  expect(most).toBe(2);
});

test('a place that is given back goes to the next in line, not to a newcomer', async () => {
  const semaphore = new Semaphore(1);
  const order: string[] = [];
  const release = await semaphore.acquire();
  const first = semaphore.acquire().then(() => order.push('first'));
  release();
  void semaphore.acquire().then(() => order.push('newcomer'));
  await first;
  await new Promise((resolve) => setImmediate(resolve));
  expect(order).toEqual(['first']);
});
