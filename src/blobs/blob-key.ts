import type { Digest } from './digest.ts';

/** What the names of all blobs begin with, in a directory and in a bucket. */
export const blobRoot = 'blobs/sha256/';

/** The name of a blob: `blobs/sha256/ab/<hex>`. */
export function blobKey(digest: Digest): string {
  return `${blobRoot}${digest.slice(0, 2)}/${digest}`;
}

/** The digest in a name that {@link blobKey} made; undefined for any other name. */
export function digestOfKey(key: string): Digest | undefined {
  const found = /^blobs\/sha256\/([0-9a-f]{2})\/(\1[0-9a-f]{62})$/.exec(key);
  return found?.[2] as Digest | undefined;
}
