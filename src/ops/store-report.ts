import type { AsideReason, BlobStore } from '../blobs/blob-store.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { StoppedSweep } from '../catalog/storage/storage.ts';
import { type ScrubReport, scrubReport } from './scrub/scrub-report.ts';
import { emptinessOf, type OwnerRecord, ownershipOf } from './store-owner.ts';

/** The state of a blob store, for people and scripts. */
export interface StoreReport {
  /** Whether the catalog owns the store. If not, no blobs are removed. */
  owned: boolean;
  /** The reason why no blobs are removed, and what to do. */
  problem: string | null;
  catalog: string;
  revision: number;
  /** The owner that the store records. */
  owner: OwnerRecord | null;
  setAside: Record<AsideReason, { blobs: number; bytes: number }>;
  stoppedSweep: StoppedSweep | null;
  scrub: ScrubReport;
}

/**
 * Reports on a store and its catalog. Changes nothing.
 * @param known a problem that the caller knows of
 * @throws HeadwaterError what the store failed with
 */
export async function storeReport(
  { catalog, store }: { catalog: Catalog; store: BlobStore },
  known?: string,
): Promise<StoreReport> {
  const ownership = await ownershipOf(catalog, store);
  const problem = known ?? (await emptinessOf(catalog, store)) ?? catalog.knownDamage;
  const { catalog: name, revision } = await catalog.storage.identity();
  const none = () => ({ blobs: 0, bytes: 0 });
  const setAside = { removed: none(), unknown: none(), damaged: none() };
  for await (const { reason, size } of store.aside()) {
    setAside[reason].blobs += 1;
    setAside[reason].bytes += size;
  }
  return {
    owned: ownership.owned,
    problem: problem ?? (ownership.owned ? null : ownership.message),
    catalog: name,
    revision,
    owner: ownership.record ?? null,
    setAside,
    stoppedSweep: (await catalog.storage.stoppedSweep()) ?? null,
    scrub: await scrubReport(catalog),
  };
}
