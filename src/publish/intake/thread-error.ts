import { type ErrorKind, HeadwaterError, messageOf } from '../../errors.ts';

/** An error on its way from a thread: a message between threads cannot hold one of our own. */
export interface Failure {
  kind?: ErrorKind;
  message: string;
}

export function packFailure(error: unknown): Failure {
  return { message: messageOf(error), ...(error instanceof HeadwaterError ? { kind: error.kind } : {}) };
}

export function unpackFailure({ kind, message }: Failure): Error {
  return kind === undefined ? new Error(message) : new HeadwaterError(kind, message);
}
