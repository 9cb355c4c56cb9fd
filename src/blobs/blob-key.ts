import type { Digest } from '../model/digest.ts';
import type { AsideReason, StoreRecord } from './blob-store.ts';

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

/** What the names of blobs that were set aside begin with. */
export const asideRoot = 'aside/';

export const asideReasons: readonly AsideReason[] = ['removed', 'unknown'];

/** The name of a blob that was set aside: `aside/unknown/<hex>`. */
export function asideKey(digest: Digest, reason: AsideReason): string {
  return `${asideRoot}${reason}/${digest}`;
}

/** What a name that {@link asideKey} made says; undefined for any other name. */
export function asideOfKey(key: string): { digest: Digest; reason: AsideReason } | undefined {
  const [, reason, digest] = /^aside\/(removed|unknown)\/([0-9a-f]{64})$/.exec(key) ?? [];
  return reason === undefined ? undefined : { digest: digest as Digest, reason: reason as AsideReason };
}

/** The names of a store's documents. */
export const recordKeys: Record<StoreRecord, string> = { owner: 'store.json', lease: 'lease.json' };
