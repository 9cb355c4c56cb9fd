import { createHash } from 'node:crypto';
import { type Digest, isDigest } from '../model/digest.ts';

// The names of the files in which uploads arrive.

/** The upload, as described by the name of its file. */
export interface Upload {
  digest: Digest;
  /** Hash of the uploader's key. Files of versions before 0.2.0 have none: they only expire. */
  uploader: string | undefined;
}

/** The file of an upload. */
export function fileName(digest: Digest, uploader: string): string {
  return `${digest}-${hashOf(uploader)}`;
}

/** The upload of a file; undefined for other files. */
export function uploadOf(name: string): Upload | undefined {
  const [digest = '', uploader, ...more] = name.split('-');
  if (!isDigest(digest) || more.length > 0) return undefined;
  if (uploader !== undefined && !/^[0-9a-f]{32}$/.test(uploader)) return undefined;
  return { digest, uploader };
}

/** The form of an uploader's key in file names: the key itself may not be a valid file name. */
export function hashOf(uploader: string): string {
  return createHash('sha256').update(uploader).digest('hex').slice(0, 32);
}
