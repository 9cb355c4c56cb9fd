import { ExpiringMap } from '../../async/expiring-map.ts';
import type { Digest } from '../../model/digest.ts';
import type { KeptFile } from './destination.ts';

/**
 * For how long a stored blob is not looked up again, in milliseconds. A commit looks each blob up in the catalog, so that
 * one which was collected meanwhile is noticed.
 */
const recentBlobLifetime = 5000;

/** A blob that was stored a moment ago. */
interface RecentBlob {
  kept: KeptFile;
  /** The fingerprint that it has as a root of a metadata item. */
  fingerprint?: { metadata: Digest; fingerprint: Digest };
}

/** Blobs that were stored in the last seconds, with what was found out about them. */
export type RecentBlobs = ExpiringMap<Digest, RecentBlob>;

export function recentBlobs(): RecentBlobs {
  return new ExpiringMap(recentBlobLifetime);
}
