import { codeOf, type ErrorKind, HeadwaterError } from '../errors.ts';

/** The exit code of each kind of error, as documented in docs/commands.md. */
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

/** Causes of `unavailable` that remain until a permission, a certificate or a key is changed. */
const permanentCodes =
  /^(EACCES|EPERM|EROFS|SQLITE_(READONLY|CANTOPEN|PERM|AUTH)\w*|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_(VERIFY_LEAF_SIGNATURE|GET_ISSUER_CERT(_LOCALLY)?)|CERT_\w+|ERR_TLS_CERT_ALTNAME_INVALID|AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch)$/;

/** The exit code for a thrown value: 1 for a defect. */
export function exitCodeOf(error: unknown): number {
  if (!(error instanceof HeadwaterError)) return 1;
  return error.kind === 'unavailable' && isPermanent(error) ? codes.invalid : codes[error.kind];
}

/** Whether a retry cannot succeed: scripts retry after exit code 7. */
function isPermanent(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (permanentCodes.test(codeOf(cause) ?? '')) return true;
    if (cause instanceof AggregateError && cause.errors.some(isPermanent)) return true;
  }
  return false;
}

/** The exit codes of a process that a signal ended, as in shells. */
export const signalExitCodes = { SIGINT: 130, SIGTERM: 143 } as const;
