import { type ErrorKind, HeadwaterError } from '../errors.ts';

/** What the exit code says; README.md lists them for those who write scripts. */
const codes: Record<ErrorKind, number> = {
  usage: 2,
  invalid: 3,
  'too-large': 3,
  'not-found': 4,
  conflict: 5,
  unauthorized: 6,
  forbidden: 6,
  unavailable: 7,
  'no-space': 8,
  aborted: 9,
};

/** The exit code for anything that was thrown: 1 for a defect. */
export function exitCodeOf(error: unknown): number {
  return error instanceof HeadwaterError ? codes[error.kind] : 1;
}

/** The exit code of a process that ends because of a signal, as shells count. */
export const signalExitCodes = { SIGINT: 130, SIGTERM: 143 } as const;
