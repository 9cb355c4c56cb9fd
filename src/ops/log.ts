import pino, { type Logger } from 'pino';
import pretty from 'pino-pretty';

export type { Logger };

/**
 * The log: lines of JSON on standard error, or lines for people when that is a terminal.
 * @param options.format `auto` looks whether standard error is a terminal
 */
export function createLogger(options: { level: string; format: 'auto' | 'json' | 'text' }): Logger {
  const text = options.format === 'text' || (options.format === 'auto' && process.stderr.isTTY);
  const settings = {
    level: options.level,
    base: null,
    timestamp,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  if (text) return pino(settings, pretty({ destination: 2, ignore: 'pid,hostname', singleLine: true }));
  // Written in batches: a line per request must not cost a system call per request. Flushed on exit by pino.
  return pino(settings, pino.destination({ fd: 2, sync: false, minLength: 8192, periodicFlush: 500 }));
}

let timestampTime = 0;
let text = '';

/** The time as pino wants it; writing it out once a millisecond is enough. */
function timestamp(): string {
  const now = Date.now();
  if (now !== timestampTime) {
    timestampTime = now;
    text = `,"time":"${new Date(now).toISOString()}"`;
  }
  return text;
}
