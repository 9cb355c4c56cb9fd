import { describe, expect, test } from 'vitest';
import { delayBefore, retry } from '../../src/async/backoff.ts';

const backoff = { attempts: 4, firstDelay: 1, longestDelay: 5 };
const isTransient = () => true;

describe('retry', () => {
  test('ends with the first success', async () => {
    let attempts = 0;
    const attempt = async () => {
      attempts++;
      if (attempts < 3) throw new Error('not yet');
      return 'done';
    };
    expect(await retry(attempt, { backoff, isTransient })).toBe('done');
    expect(attempts).toBe(3);
  });

  test('gives up after the last attempt, with its error', async () => {
    let attempts = 0;
    const attempt = async () => {
      throw new Error(`failure ${++attempts}`);
    };
    await expect(retry(attempt, { backoff, isTransient })).rejects.toThrow('failure 4');
  });

  test('does not repeat what cannot succeed', async () => {
    let attempts = 0;
    const attempt = async () => {
      attempts++;
      throw new Error('never');
    };
    await expect(retry(attempt, { backoff, isTransient: () => false })).rejects.toThrow('never');
    expect(attempts).toBe(1);
  });

  test('stops waiting when its signal is aborted', async () => {
    const controller = new AbortController();
    const attempt = async () => {
      queueMicrotask(() => controller.abort());
      throw new Error('not now');
    };
    const slow = { attempts: 2, firstDelay: 3_600_000, longestDelay: 3_600_000 };
    const retrying = retry(attempt, { backoff: slow, isTransient, signal: controller.signal });
    await expect(retrying).rejects.toThrow('aborted');
  });
});

describe('delayBefore', () => {
  test('doubles up to a limit, and is never the same', () => {
    const times = { firstDelay: 100, longestDelay: 1000 };
    const longest = [100, 200, 400, 800, 1000, 1000];
    for (const [index, limit] of longest.entries()) {
      const delays = Array.from({ length: 50 }, () => delayBefore(index + 1, times));
      expect(Math.min(...delays)).toBeGreaterThanOrEqual(limit / 2);
      expect(Math.max(...delays)).toBeLessThanOrEqual(limit);
      expect(new Set(delays).size).toBeGreaterThan(1);
    }
  });

  test('is at least what the other side asked for', () => {
    expect(delayBefore(1, backoff, 3000)).toBe(3000);
  });
});
