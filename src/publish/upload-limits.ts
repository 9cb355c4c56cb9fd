import { LimitError } from '../errors.ts';

/** Limits on an uploader's unfinished uploads, and on blobs that no version contains. */
export interface UnfinishedLimits {
  /** The most unfinished uploads of one uploader. */
  uploads: number;
  /** The most bytes of them, and of blobs that no version contains. */
  bytes: number;
  /** The bytes of an uploader's stored blobs that no version contains. */
  unpublished: (uploader: string) => Promise<number>;
}

export function unfinishedLimit(
  limit: 'unfinishedUploads' | 'unfinishedUploadBytes',
  max: number,
): LimitError {
  return new LimitError(
    limit,
    'too-large',
    limit === 'unfinishedUploads'
      ? `a token or client may have ${max} unfinished uploads at most (limits.unfinishedUploads): finish others first`
      : `a token or client may have ${max} bytes of unfinished uploads and of blobs that no version contains (limits.unfinishedUploadBytes): finish and publish others first`,
  );
}
