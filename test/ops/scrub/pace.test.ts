import { expect, test } from 'vitest';
import { Pace } from '../../../src/ops/scrub/pace.ts';

const { signal } = new AbortController();

/** How many milliseconds a pace waits for some bytes, by a clock that only it moves. */
async function waited(rate: number, { busy, chunks }: { busy: boolean | (() => boolean); chunks: number[] }) {
  let now = 0;
  const clock = {
    now: () => now,
    sleep: (milliseconds: number) => {
      now += milliseconds;
      return Promise.resolve();
    },
  };
  const pace = new Pace(rate, typeof busy === 'boolean' ? () => busy : busy, clock);
  for (const bytes of chunks) await pace.passed(bytes, signal);
  return Math.round(now);
}

test('bytes pass at the rate', async () => {
  expect(await waited(1_000_000, { busy: false, chunks: [500_000, 500_000] })).toBe(1000);
  expect(await waited(1_000_000, { busy: false, chunks: Array.from({ length: 1000 }, () => 1000) })).toBe(
    1000,
  );
});

test('beside requests, a tenth of it passes, and the rest once they have ended', async () => {
  expect(await waited(1_000_000, { busy: true, chunks: [500_000] })).toBe(5000);
  let looks = 0;
  // Ten waits of 100 ms at a tenth of the rate let 100,000 bytes pass.
  const busy = () => ++looks <= 10;
  expect(await waited(1_000_000, { busy, chunks: [500_000] })).toBe(1000 + 400);
});

test('without a rate, nothing waits unless there are requests', async () => {
  expect(await waited(0, { busy: false, chunks: [10 ** 12] })).toBe(0);
  expect(await waited(0, { busy: true, chunks: [2 * 1024 * 1024] })).toBe(1000);
});

test('a wait ends with the work', async () => {
  const stopping = new AbortController();
  const pace = new Pace(1, () => false);
  const passed = pace.passed(10 ** 9, stopping.signal);
  stopping.abort();
  await expect(passed).rejects.toMatchObject({ name: 'AbortError' });
});
