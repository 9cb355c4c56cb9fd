import type { Digest } from '../../model/digest.ts';
import type { OnDemandStore } from './on-demand-store.ts';

/** Blobs that are downloaded at the same time; the definition of a mirror also limits this. */
const concurrency = 6;

/**
 * Stores listed blobs.
 * @param onBytes told the size of each blob that is stored
 * @throws HeadwaterError for a blob that cannot be stored, when the running downloads have ended; no other one is started
 */
export async function fetchAll(
  store: Pick<OnDemandStore, 'fetch'>,
  blobs: readonly { digest: Digest; size: number }[],
  onBytes: (count: number) => void = () => undefined,
): Promise<void> {
  const left = [...blobs];
  const work = async () => {
    for (let blob = left.shift(); blob !== undefined; blob = left.shift()) {
      try {
        await store.fetch(blob.digest);
        onBytes(blob.size);
      } catch (error) {
        left.length = 0;
        throw error;
      }
    }
  };
  for (const end of await Promise.allSettled(Array.from({ length: concurrency }, work))) {
    if (end.status === 'rejected') throw end.reason;
  }
}
