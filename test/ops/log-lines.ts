import pino from 'pino';
import { afterEach, beforeEach, vi } from 'vitest';
import { createLogger } from '../../src/ops/log.ts';

type Line = Record<string, unknown>;

/**
 * What the servers of each test log, for files of tests with `vi.mock('…/ops/log.ts', { spy: true })`.
 * @returns `said`: the lines of the present test whose message contains a text
 */
export function logLines(): { said: (message: string) => Line[] } {
  let lines: Line[] = [];
  beforeEach(() => {
    lines = [];
    const log = pino(
      { level: 'info', base: null, formatters: { level: (label) => ({ level: label }) } },
      { write: (line: string) => void lines.push(JSON.parse(line) as Line) },
    );
    vi.mocked(createLogger).mockReturnValue(log);
  });
  return { said: (message) => lines.filter(({ msg }) => String(msg).includes(message)) };
}

/** Lets intervals of each test pass only when it says so. */
export function heldIntervals(): void {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] }));
  afterEach(() => void vi.useRealTimers());
}
