import { setTimeout as sleep } from 'node:timers/promises';

/** How often and how soon something that failed is tried again. */
export interface RetryOptions {
  /** In all, the first one included. */
  tries: number;
  /** Milliseconds before the second try; each further wait is twice as long. */
  firstDelay: number;
  /** Milliseconds; no wait is longer. */
  longestDelay: number;
}

/** Milliseconds to wait after the failure numbered `failures` (from 1): random, so that clients do not come in step. */
export function delayAfter(failures: number, options: RetryOptions): number {
  const most = Math.min(options.longestDelay, options.firstDelay * 2 ** (failures - 1));
  return most * (0.5 + Math.random() / 2);
}

/**
 * Calls `attempt` until it succeeds, fails with an error that another try cannot mend, or has been tried enough.
 * @throws the last error
 */
export async function retry<Result>(
  attempt: () => Promise<Result>,
  isTransient: (error: unknown) => boolean,
  options: RetryOptions,
): Promise<Result> {
  for (let failures = 1; ; failures++) {
    try {
      return await attempt();
    } catch (error) {
      if (failures >= options.tries || !isTransient(error)) throw error;
    }
    await sleep(delayAfter(failures, options));
  }
}
