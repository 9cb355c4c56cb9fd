import type { LimitError, LimitName } from '../../errors.ts';
import type { Content } from '../../image/content.ts';
import type { Digest } from '../../model/digest.ts';
import type { ExaminationLimits } from './examination-places.ts';
import type { WriteDown } from './tee-file.ts';

// The inputs and results of `Intake`.

/** The content of the bytes that have passed. */
export interface ExaminedFile {
  digest: Digest;
  /** Bytes. */
  size: number;
  content: Content;
  /** sha256(metadata bytes, then these bytes), when metadata was given. */
  fingerprint?: Digest;
}

/** Bytes on their way from a source to a store. */
export interface Passage {
  /** The bytes, to be read once and to the end. They fail when the source fails or when they are not an image file. */
  bytes: AsyncIterable<Uint8Array>;
  /** Settles after the last byte. A failure is also the failure of `bytes`, so callers need not wait for both. */
  examined: Promise<ExaminedFile>;
}

/** Who sends a file. */
export interface Sender {
  /** The sender of the file: examinations are shared fairly among clients. */
  client: string;
  /** The address of the client. */
  address?: string;
}

export interface PassOptions extends Sender {
  /** The bytes of the metadata item that belongs to this root, for the fingerprint. */
  metadata?: Uint8Array;
  /** How many bytes are expected, when known. */
  size?: number;
  /** A file where they are written down as they pass; of a source that fails, too. Not of small ones. */
  into?: WriteDown;
  /** A file to which the source writes them as they pass. */
  path?: string;
  /** The bytes can wait at their source: they are not read before they can be examined. */
  patient?: boolean;
}

/** A file whose examination was not completed. */
export interface RefusedExamination extends Sender {
  /** The setting with the limit. */
  limit: LimitName;
  error: LimitError;
}

/** The bounds of examinations. */
export interface IntakeOptions extends ExaminationLimits {
  /** Milliseconds without progress after which an examination is ended. */
  timeout: number;
  /** false: the digests of the unpacked archives of gzip roots, which only clients of OCI need, are not computed. */
  unpackedDigests?: boolean;
  /** The directory for bytes that wait for their examination. */
  directory: string;
  onRefused?: (refused: RefusedExamination) => void;
  /** What threads run, when that is not `intake-worker.ts`. */
  program?: URL;
}
