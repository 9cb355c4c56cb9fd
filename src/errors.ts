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

/** The limits whose refusals are errors; those of connections are in `http/connection/refusals.ts`. */
export type LimitName =
  | 'uploadSize'
  | 'unfinishedUploads'
  | 'unfinishedUploadBytes'
  | 'streamQuota'
  | 'entryQuota'
  | 'examinationMemory'
  | 'examinationTimeout'
  | 'operations'
  | 'joinAttempts'
  | 'bodySize'
  | 'metadataSize';

/** A limit refuses something. The server logs and counts each of them, wherever it is thrown. */
export class LimitError extends HeadwaterError {
  readonly limit: LimitName;

  constructor(limit: LimitName, kind: ErrorKind, message: string, options?: { cause?: unknown }) {
    super(kind, message, options);
    this.name = 'LimitError';
    this.limit = limit;
  }
}

/** The refusal of a limit that an error is, or that caused it. */
export function limitErrorOf(error: unknown): LimitError | undefined {
  let cause = error;
  while (cause instanceof Error) {
    if (cause instanceof LimitError) return cause;
    cause = cause.cause;
  }
  return undefined;
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

/** Text that somebody else chose, as part of a message: on one line, without control characters, not endless. */
export function quotable(text: string, most = 200): string {
  // Also what turns the direction of writing round, and what begins a new line elsewhere.
  const plain = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ').trim();
  return plain.length <= most ? plain : `${plain.slice(0, most)}…`;
}

/** Why a text is not JSON. The messages of \`JSON.parse\` quote the text, which may be nobody's to read. */
export function jsonProblem(error: unknown): string {
  if (error instanceof RangeError) return 'it is nested too deeply';
  const message = messageOf(error);
  const place = /(?:at (?:position|byte) \d+)(?: \(line \d+ column \d+\))?/.exec(message)?.[0];
  if (place !== undefined) return `it breaks off or goes wrong ${place}`;
  return /end of JSON input/i.test(message) ? 'it ends too early' : 'it is something else';
}
