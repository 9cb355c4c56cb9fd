import { HeadwaterError, messageOf } from '../../errors.ts';
import { exitCodeOf } from '../exit-codes.ts';
import { messageInFlags } from '../flag-names.ts';

/** The output of a command: results on one stream, notes for people on another. */
export interface Output {
  /** A result for people or scripts. */
  line(text: string): void;
  /** A result for scripts, on one line or, when it is the only one, indented. */
  json(value: unknown, layout?: 'line' | 'indented'): void;
  /** A binary result. */
  bytes(bytes: Uint8Array): void;
  /** Information for people that is not a result. */
  note(text: string): void;
  warning(text: string): void;
}

/** Writes results to stdout and the rest to stderr. */
export const standardOutput: Output = {
  line: (text) => void process.stdout.write(`${printable(text)}\n`),
  json: (value, layout = 'indented') =>
    void process.stdout.write(`${JSON.stringify(value, undefined, layout === 'indented' ? 2 : undefined)}\n`),
  bytes: (bytes) => void process.stdout.write(bytes),
  note: (text) => void process.stderr.write(`${printable(text)}\n`),
  warning: (text) => void process.stderr.write(`headwater: warning: ${printable(text)}\n`),
};

/** A text without control characters: much of the printed text comes from outside. */
export function printable(text: string): string {
  return text.replaceAll(/[^\P{Cc}\n\t]/gu, (control) => {
    return `\\x${control.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}

/** Reports the error of a command: a line for people and, with --json, an object for scripts. */
export function reportError(error: unknown, options: { json: boolean }): void {
  const known = error instanceof HeadwaterError;
  const message = known ? messageInFlags(error) : `a defect of Headwater: ${messageOf(error).split('\n')[0]}`;
  process.stderr.write(`headwater: ${printable(message)}\n`);
  if (!known && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  if (options.json) {
    const report = { kind: known ? error.kind : 'defect', message, exitCode: exitCodeOf(error) };
    process.stderr.write(`${JSON.stringify({ error: report })}\n`);
  }
}
