import type { ErrorKind } from '../../../errors.ts';
import type { SignerSource } from '../../../keys/open-signer.ts';
import type { GzipSegment } from '../gzip-segment.ts';
import type { SignedForm } from './signed-form.ts';

/** What a thread that signs is asked for. */
export type Question =
  /** Sign with this from now on. */
  | { type: 'open'; source: SignerSource }
  /** A detached signature of these bytes. */
  | { type: 'detached'; bytes: Uint8Array }
  /** This document, clear-signed. */
  | { type: 'clear'; json: Uint8Array };

/** A clear-signed document. */
export interface ClearSigned extends Omit<SignedForm, 'text'> {
  segment: GzipSegment;
}

/** What it answers to each. */
export interface Answers {
  open: true;
  detached: Uint8Array;
  clear: ClearSigned;
}

export type ToSigningThread = { id: number; question: Question };

/** Why there is no answer; without a kind, by a defect. */
interface Failure {
  kind: ErrorKind | undefined;
  message: string;
}

export type FromSigningThread =
  | { id: number; answer: Answers[keyof Answers] }
  | { id: number; failure: Failure };
