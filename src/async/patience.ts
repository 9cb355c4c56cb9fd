import { setTimeout as after } from 'node:timers/promises';

/** How often something is tried, and how long to wait between: milliseconds. */
export interface Patience {
  attempts: number;
  /** Before the second attempt; it doubles each time. */
  first: number;
  most: number;
}

export const defaultPatience: Patience = { attempts: 6, first: 500, most: 30_000 };

/** The longest that an upstream may make us wait with Retry-After, in milliseconds. */
const longestWish = 120_000;

/**
 * How long to wait before the next attempt: exponentially longer, and at random in the upper half of it, so that many
 * who failed at once do not come back at once.
 * @param tries attempts made
 * @param wish what the upstream asked for
 */
export function delayBefore(tries: number, { first, most }: Patience, wish?: number): number {
  const longest = Math.min(most, first * 2 ** (tries - 1));
  const own = longest * (0.5 + Math.random() / 2);
  return Math.max(own, Math.min(wish ?? 0, longestWish));
}

/** Milliseconds of a header Retry-After: seconds or a date (RFC 9110, section 10.2.3). */
export function retryAfter(header: string | string[] | undefined, now = Date.now()): number | undefined {
  if (typeof header !== 'string') return undefined;
  if (/^\d+$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/** Waits; the error of an aborted signal is an AbortError. */
export async function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  await after(milliseconds, undefined, signal === undefined ? {} : { signal });
}
