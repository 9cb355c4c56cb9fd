import pino from 'pino';
import type { Logger } from '../../src/ops/log.ts';

/** A log, and what was written to it. */
export function logLines(): { log: Logger; said: (message: string) => Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  const log = pino(
    { level: 'info', base: null, formatters: { level: (label) => ({ level: label }) } },
    { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
  );
  return { log, said: (message) => lines.filter(({ msg }) => String(msg).includes(message)) };
}
