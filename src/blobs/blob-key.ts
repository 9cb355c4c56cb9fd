import { type Digest, isDigest } from '../model/digest.ts';
import type { AsideReason, StoreRecord } from './blob-store.ts';

/** The prefix of the names of all blobs, in a directory and in a bucket. */
export const blobRoot = 'blobs/sha256/';

/** The name of a blob: `blobs/sha256/ab/<hex>`. */
export function blobKey(digest: Digest): string {
  return `${blobRoot}${digest.slice(0, 2)}/${digest}`;
}

/** The digest in a name that {@link blobKey} made; undefined for any other name. */
export function digestOfKey(key: string): Digest | undefined {
  const digest = key.slice(`${blobRoot}ab/`.length);
  return isDigest(digest) && key === blobKey(digest) ? digest : undefined;
}

/** The prefix of the names of blobs that were set aside. */
export const asideRoot = 'aside/';

export const asideReasons: readonly AsideReason[] = ['removed', 'unknown', 'damaged'];

/** The reasons whose blobs are restored. */
export const returningReasons = asideReasons.filter((reason) => reason !== 'damaged');

/** The name of a blob that was set aside: `aside/unknown/<hex>`. */
export function asideKey(digest: Digest, reason: AsideReason): string {
  return `${asideRoot}${reason}/${digest}`;
}

/** The parts of a name that {@link asideKey} made; undefined for any other name. */
export function asideOfKey(key: string): { digest: Digest; reason: AsideReason } | undefined {
  const [root, name, digest = '', ...more] = key.split('/');
  const reason = asideReasons.find((each) => each === name);
  const isAside = `${root}/` === asideRoot && isDigest(digest) && more.length === 0;
  return isAside && reason !== undefined ? { digest, reason } : undefined;
}

/** The names of a store's documents. */
export const recordKeys: Record<StoreRecord, string> = { owner: 'store.json', lease: 'lease.json' };
