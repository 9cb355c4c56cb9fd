import type { Digest } from '../../model/digest.ts';

/** The most digests that are remembered: more than one publish or one batch of a mirror run writes. */
const maxDigests = 10_000;

/** The blobs that a store object wrote and that the store did not have before; the most recent ones. */
export class RecentlyWritten {
  readonly #digests = new Set<Digest>();

  add(digest: Digest): void {
    this.#digests.add(digest);
    if (this.#digests.size <= maxDigests) return;
    for (const oldest of this.#digests) {
      this.#digests.delete(oldest);
      return;
    }
  }

  /** Whether a blob is one of them; it is forgotten. */
  take(digest: Digest): boolean {
    return this.#digests.delete(digest);
  }
}
