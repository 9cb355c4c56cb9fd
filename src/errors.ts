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
export const errorKinds = [
  'usage',
  'invalid',
  'not-found',
  'conflict',
  'unauthorized',
  'forbidden',
  'too-large',
  'no-space',
  'unavailable',
  'aborted',
] as const;
export type ErrorKind = (typeof errorKinds)[number];

interface ErrorDetails {
  cause?: unknown;
  /** Names of fields of a request. The message names them as words that are not quoted. */
  fields?: readonly string[];
}

/**
 * An error with a message for the person who can mend it: it names the file, field or flag, says what was
 * wrong and what to do. Anything thrown that is not a HeadwaterError is a defect of ours.
 */
export class HeadwaterError extends Error {
  readonly kind: ErrorKind;
  /** The fields of a request that it is about. Each surface may name them in its own way, such as `--arch`. */
  readonly fields: readonly string[] | undefined;

  constructor(kind: ErrorKind, message: string, options?: ErrorDetails) {
    super(message, options);
    this.name = 'HeadwaterError';
    this.kind = kind;
    this.fields = options?.fields;
  }

  /** The same error, which says where it was met. An error that names the place already stays as it is. */
  within(where: string, separator = ': '): this {
    if (this.message.includes(where + separator)) return this;
    return this.#copy(where + separator + this.message, this.fields);
  }

  /** The same error, about these fields of a request. */
  about(...fields: string[]): this {
    return this.#copy(this.message, fields);
  }

  /** An error of the same class with the same properties, whose cause is this one. */
  #copy(message: string, fields: readonly string[] | undefined): this {
    // Error objects cannot be cloned: a new one gets what this one has. Subclasses have no private members for that.
    const copy = new HeadwaterError(this.kind, message, { cause: this });
    return Object.setPrototypeOf(Object.assign(copy, this, { fields }), Object.getPrototypeOf(this));
  }
}

/** The result of checking a field of a request. An error of the check is about that field. */
export function checkField<Result>(field: string, check: () => Result): Result {
  try {
    return check();
  } catch (error) {
    throw error instanceof HeadwaterError ? error.about(field) : error;
  }
}

/** Whether an error is one of these kinds. */
export function isKind(error: unknown, ...kinds: ErrorKind[]): error is HeadwaterError {
  return error instanceof HeadwaterError && kinds.includes(error.kind);
}

/** Says where an error was met ({@link HeadwaterError.within}). A defect stays as it is. */
export function within(where: string, error: unknown): unknown {
  return error instanceof HeadwaterError ? error.within(where) : error;
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

  constructor(limit: LimitName, kind: ErrorKind, message: string, options?: ErrorDetails) {
    super(kind, message, options);
    this.name = 'LimitError';
    this.limit = limit;
  }
}

/** The refusal of a limit among an error and its causes. */
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

/** Anything that was thrown, for an interface that takes only errors. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown), { cause: thrown });
}

/** The system error code (`ENOSPC`, `ECONNREFUSED`, …) of anything that was thrown, if it has one. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** Text from another party, as part of a message: on one line, without control characters, of limited length. */
export function quotable(text: string, maxLength = 200): string {
  // Also what turns the direction of writing round, and what begins a new line elsewhere.
  const plain = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ').trim();
  return plain.length <= maxLength ? plain : `${plain.slice(0, maxLength)}…`;
}

/**
 * Why a text is not JSON. The messages of \`JSON.parse\` quote the text, which the reader may not be allowed to see.
 */
export function jsonProblem(error: unknown): string {
  if (error instanceof RangeError) return 'it is nested too deeply';
  const message = messageOf(error);
  const place = /(?:at (?:position|byte) \d+)(?: \(line \d+ column \d+\))?/.exec(message)?.[0];
  if (place !== undefined) return `it breaks off or goes wrong ${place}`;
  return /end of JSON input/i.test(message) ? 'it ends too early' : 'it is something else';
}
