import type { ErrorKind } from '../../../errors.ts';
import type { SignerSource } from '../../../keys/open-signer.ts';
import type { GzipSegment } from '../gzip-segment.ts';
import type { SignedForm } from './signed-form.ts';

/** A request to a signing thread. */
export type Question =
  /** Sign with this source from now on. */
  | { type: 'open'; source: SignerSource }
  /** A detached signature of these bytes. */
  | { type: 'detached'; bytes: Uint8Array }
  /** A detached signature of the bytes of a stream. */
  | { type: 'detached-from'; stream: ReadableStream<Uint8Array> }
  /** This document, clear-signed. */
  | { type: 'clear'; json: Uint8Array };

/** A clear-signed document. */
export interface ClearSigned extends Omit<SignedForm, 'text'> {
  segment: GzipSegment;
}

/** The answer to each type of request. */
export interface Answers {
  open: true;
  detached: Uint8Array;
  'detached-from': Uint8Array;
  clear: ClearSigned;
}

export type ToSigningThread = { id: number; question: Question };

/** The reason why a request failed. A defect has no kind. */
interface Failure {
  kind: ErrorKind | undefined;
  message: string;
}

export type FromSigningThread =
  | { id: number; answer: Answers[keyof Answers] }
  | { id: number; failure: Failure };
