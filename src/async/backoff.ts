import { setTimeout as sleep } from 'node:timers/promises';

/** How often and how soon something that failed is tried again. */
export interface Backoff {
  /** In all, the first one included. */
  attempts: number;
  /** Milliseconds before the second attempt; each further delay is twice as long. */
  firstDelay: number;
  /** Milliseconds; no delay is longer. */
  longestDelay: number;
}

/**
 * How long to wait before the next attempt, in milliseconds: twice as long each time, and random in the upper half of that,
 * so that clients which failed together do not come back together.
 * @param failures attempts that failed so far, from 1
 * @param atLeast milliseconds that the other side asked for
 */
export function delayBefore(
  failures: number,
  { firstDelay, longestDelay }: Omit<Backoff, 'attempts'>,
  atLeast = 0,
): number {
  const longest = Math.min(longestDelay, firstDelay * 2 ** (failures - 1));
  return Math.max(longest * (0.5 + Math.random() / 2), atLeast);
}

/**
 * Calls `attempt` until it succeeds, fails for good, or has failed often enough.
 * @param options.isTransient whether another attempt may succeed after this error
 * @param options.signal ends the waiting
 * @throws the last error; AbortError when `signal` is aborted
 */
export async function retry<Result>(
  attempt: () => Promise<Result>,
  options: { backoff: Backoff; isTransient: (error: unknown) => boolean; signal?: AbortSignal },
): Promise<Result> {
  const { backoff, isTransient, signal } = options;
  for (let failures = 1; ; failures++) {
    try {
      return await attempt();
    } catch (error) {
      if (failures >= backoff.attempts || !isTransient(error)) throw error;
    }
    await sleep(delayBefore(failures, backoff), undefined, { signal });
  }
}
