import { expect, test } from 'vitest';
import { RateLimit } from '../../src/async/rate-limit.ts';

test('bytes pass at the rate, whoever takes them, and unused time is not saved up', async () => {
  let time = 0;
  const slept: number[] = [];
  const limit = new RateLimit(1000, {
    now: () => time,
    sleep: async (milliseconds) => slept.push(milliseconds),
  });
  await limit.take(500);
  await limit.take(1000);
  expect(slept).toEqual([500]);
  time = 600;
  await limit.take(1);
  expect(slept).toEqual([500, 900]);
  time = 60_000;
  await limit.take(10);
  await limit.take(10);
  expect(slept).toEqual([500, 900, 10]);
});

test('the wait ends when its signal is aborted', async () => {
  const limit = new RateLimit(1);
  const controller = new AbortController();
  await limit.take(3600);
  const waiting = limit.take(1, controller.signal);
  controller.abort();
  await expect(waiting).rejects.toThrow('aborted');
});
