import { codeOf, HeadwaterError, messageOf, quotable } from '../../errors.ts';

/** A refusal by an S3 service. */
export class S3Failure extends Error {
  /** HTTP status; 200 when the failure was in the body of a success. */
  readonly status: number;
  /** S3's name of the error, such as `NoSuchKey`; empty if the service did not name it. */
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Reads an error document of S3, which may be missing (as it is in answers to HEAD) or be anything else. */
export function parseFailure(status: number, body: string): S3Failure {
  const field = (name: string) => new RegExp(`<${name}>([^<]{1,1000})</${name}>`).exec(body)?.[1] ?? '';
  return new S3Failure(status, quotable(field('Code'), 100), quotable(field('Message'), 500));
}

/** Makes an {@link S3Failure} of the two things that the client throws for a failure inside a success. */
export function normalized(error: unknown): unknown {
  if (error instanceof Error) {
    return error.name === 'S3Error' ? new S3Failure(200, 'InternalError', error.message) : error;
  }
  if (typeof error === 'object' && error !== null && 'Code' in error && 'Message' in error) {
    return new S3Failure(200, String(error.Code), String(error.Message));
  }
  return error;
}

const transientStatus = new Set([408, 425, 429, 500, 502, 503, 504, 520, 522, 524]);
const transientCode = new Set([
  'InternalError',
  'OperationAborted',
  'RequestTimeout',
  'ServiceUnavailable',
  'SlowDown',
  // The bytes changed in transit.
  'BadDigest',
  'XAmzContentSHA256Mismatch',
]);
const transientSystemCode = new Set(
  'EAI_AGAIN ECONNABORTED ECONNREFUSED ECONNRESET EHOSTUNREACH ENETDOWN ENETUNREACH EPIPE ETIMEDOUT'.split(
    ' ',
  ),
);

/** Whether the same request may succeed soon. */
export function isTransient(error: unknown): boolean {
  if (error instanceof S3Failure) return transientStatus.has(error.status) || transientCode.has(error.code);
  // The client's word for an answer that is no XML, or another document than was asked for.
  if (error instanceof Error && error.name === 'InvalidXMLError') return true;
  return transientSystemCode.has(codeOf(error) ?? '');
}

export function isMissing(error: unknown): boolean {
  if (!(error instanceof S3Failure)) return false;
  return error.code === 'NoSuchKey' || (error.status === 404 && error.code === '');
}

/**
 * Explains a failure of the service and what to do.
 * @param store names the store, as in "S3 bucket images at https://s3.example.com"
 */
export function s3Error(error: unknown, store: string, bucket: string): HeadwaterError {
  if (error instanceof HeadwaterError) return error;
  const cause = { cause: error };
  if (!(error instanceof S3Failure)) {
    return new HeadwaterError('unavailable', `${store}: cannot be reached: ${network(error)}`, cause);
  }
  if (error.status === 507 || /^(QuotaExceeded|InsufficientStorage|XMinioStorageFull)/.test(error.code)) {
    const what = error.code === 'QuotaExceeded' ? 'the quota is used up' : 'it is full';
    return new HeadwaterError('no-space', `${store}: ${what}: free some space or have it raised`, cause);
  }
  if (error.status === 412 || error.code === 'ConditionalRequestConflict') {
    return new HeadwaterError('conflict', `${store}: another process changed the object meanwhile`, cause);
  }
  if (error.status === 416) return new HeadwaterError('invalid', `${store}: no bytes in that range`, cause);
  const said = [error.status, error.code, error.message]
    .filter((part) => part !== '' && part !== 0)
    .join(' ');
  return new HeadwaterError(
    'unavailable',
    `${store}: ${advice(error, bucket) ?? 'it answered'} (${said})`,
    cause,
  );
}

function advice(failure: S3Failure, bucket: string): string | undefined {
  switch (failure.code) {
    case 'InvalidAccessKeyId':
      return 'the access key is not known there: check HEADWATER_S3_ACCESS_KEY';
    case 'SignatureDoesNotMatch':
      return 'the secret key is not the right one: check HEADWATER_S3_SECRET_KEY';
    case 'InvalidToken':
    case 'ExpiredToken':
      return 'the session token is not valid (any more): give a new one';
    case 'NoSuchBucket':
      return `there is no bucket ${bucket}: create it, or set storage.createBucket to true`;
    case 'RequestTimeTooSkewed':
      return 'its clock and the clock of this machine differ too much: synchronize them with NTP';
    case 'AuthorizationHeaderMalformed':
    case 'IllegalLocationConstraintException':
    case 'InvalidLocationConstraint':
    case 'PermanentRedirect':
      return 'the region or the endpoint is not the one of the bucket: check storage.region and storage.endpoint';
    default:
  }
  if (failure.status === 403)
    return `access to bucket ${bucket} is denied: check the keys and what they permit`;
  return isTransient(failure) ? 'it is not available now: try again later' : undefined;
}

function network(error: unknown): string {
  const code = codeOf(error);
  if (code === undefined) return messageOf(error);
  if (code === 'ECONNREFUSED') return 'connection refused: is it running, and is storage.endpoint right?';
  if (code === 'ENOTFOUND') return 'its host name is unknown (ENOTFOUND): check storage.endpoint';
  if (/CERT|SELF_SIGNED|UNABLE_TO_VERIFY/.test(code)) {
    return `its certificate is not trusted (${code}): add its authority to NODE_EXTRA_CA_CERTS`;
  }
  return messageOf(error).includes(code) ? messageOf(error) : `${messageOf(error)} (${code})`;
}
