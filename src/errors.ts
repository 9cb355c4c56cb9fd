/**
 * What can go wrong, as its callers tell it apart. The HTTP status and the exit code follow from the kind
 * (`http/errors.ts`, `cli/exit-codes.ts`).
 *
 * - `usage`: the command line is wrong.
 * - `invalid`: bytes, names or fields that can never be accepted.
 * - `not-found`: what was named does not exist.
 * - `conflict`: it would change something published, or take what another owner has.
 * - `unauthorized` / `forbidden`: no valid token / a token that may not do this.
 * - `too-large`: over a configured limit.
 * - `no-space`: the disk or the bucket is full.
 * - `unavailable`: the store or the server cannot be reached now; the same call may work later.
 * - `aborted`: the sender went away before the end.
 */
export type ErrorKind =
  | 'usage'
  | 'invalid'
  | 'not-found'
  | 'conflict'
  | 'unauthorized'
  | 'forbidden'
  | 'too-large'
  | 'no-space'
  | 'unavailable'
  | 'aborted';

/**
 * An error with a message for the person who can mend it: it names the file, field or flag, says what was
 * wrong and what to do. Anything thrown that is not a HeadwaterError is a defect of ours.
 */
export class HeadwaterError extends Error {
  readonly kind: ErrorKind;

  constructor(kind: ErrorKind, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'HeadwaterError';
    this.kind = kind;
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The system error code (`ENOSPC`, `ECONNREFUSED`, …) of anything that was thrown, if it has one. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
