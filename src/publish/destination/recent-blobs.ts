import type { Digest } from '../../model/digest.ts';
import type { KeptFile } from './destination.ts';

/**
 * How long it is remembered that a blob was kept, in milliseconds. Committing looks each one up in the catalog, so that
 * nothing is lost when it has been collected meanwhile.
 */
const moment = 5000;

/** A blob that was kept a moment ago. */
export interface RecentBlob {
  kept: KeptFile;
  /** The fingerprint that it has as a root of a metadata item. */
  fingerprint?: { metadata: Digest; fingerprint: Digest };
}

/** What was kept in the last moment: it need not be looked up. */
export class RecentBlobs {
  /** The oldest first. */
  readonly #blobs = new Map<Digest, RecentBlob & { at: Date }>();

  add(blob: RecentBlob, at: Date): void {
    const { digest } = blob.kept;
    // What is set anew goes to the end, behind what is older.
    this.#blobs.delete(digest);
    this.#blobs.set(digest, { ...blob, at });
  }

  find(digest: Digest): RecentBlob | undefined {
    const since = Date.now() - moment;
    for (const [known, { at }] of this.#blobs) {
      if (at.getTime() >= since) break;
      this.#blobs.delete(known);
    }
    return this.#blobs.get(digest);
  }
}
