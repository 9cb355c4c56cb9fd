import type { LimitError, LimitName } from '../../errors.ts';
import type { Content } from '../../image/content.ts';
import type { Digest } from '../../model/digest.ts';
import type { ExaminationLimits } from './examination-places.ts';
import type { WriteDown } from './tee-file.ts';

// What `Intake` takes and gives.

/** What the bytes that passed were. */
export interface Examined {
  digest: Digest;
  /** Bytes. */
  size: number;
  content: Content;
  /** sha256(metadata bytes, then these bytes), when metadata was given. */
  fingerprint?: Digest;
}

/** Bytes on their way from a source to a store. */
export interface Passage {
  /** The bytes, to be read once and to the end. They fail when the source fails or when they are no image file. */
  bytes: AsyncIterable<Uint8Array>;
  /** Settles after the last byte. A failure is also the failure of `bytes`, so nobody has to wait for both. */
  examined: Promise<Examined>;
}

/** Who sends a file. */
export interface Sender {
  /** Whose file it is: every client gets its turn. */
  client: string;
  /** Where the client is. */
  address?: string;
}

export interface PassOptions extends Sender {
  /** The bytes of the metadata item that they are a root of, for the fingerprint. */
  metadata?: Uint8Array;
  /** How many bytes are expected, when known. */
  size?: number;
  /** A file where they are written down as they pass; of a source that fails, too. Not of small ones. */
  into?: WriteDown;
  /** A file where somebody else writes them down as they pass. */
  path?: string;
  /** Nothing is lost while they wait at their source: they are not read before they can be examined. */
  patient?: boolean;
}

/** A file that was not looked into to its end. */
export interface RefusedExamination extends Sender {
  /** The setting that says how much is too much. */
  limit: LimitName;
  error: LimitError;
}

/** How examinations are bounded. */
export interface IntakeOptions extends ExaminationLimits {
  /** Milliseconds without progress after which an examination is given up. */
  timeout: number;
  /** Where bytes wait for their examination. */
  directory: string;
  onRefused?: (refused: RefusedExamination) => void;
  /** What threads run, when that is not `intake-worker.ts`. */
  program?: URL;
}
