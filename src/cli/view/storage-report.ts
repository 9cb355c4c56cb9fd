import type { AsideReason, BlobStore } from '../../blobs/blob-store.ts';
import type { Catalog } from '../../catalog/catalog.ts';
import type { StoppedSweep } from '../../catalog/storage.ts';
import { emptinessOf, type OwnerRecord, ownershipOf } from '../../ops/store-owner.ts';
import { humanSize } from './human.ts';

/** How a blob store is, for people and scripts. */
export interface StorageReport {
  /** Whether the catalog owns the store. If not, nothing is removed from it. */
  owned: boolean;
  /** Why not, or what else is wrong with it, and what to do. */
  problem: string | null;
  catalog: string;
  revision: number;
  /** What the store says of its owner. */
  owner: OwnerRecord | null;
  setAside: Record<AsideReason, { blobs: number; bytes: number }>;
  stoppedSweep: StoppedSweep | null;
}

export async function storageReport({
  catalog,
  store,
}: {
  catalog: Catalog;
  store: BlobStore;
}): Promise<StorageReport> {
  const ownership = await ownershipOf(catalog, store);
  const emptiness = await emptinessOf(catalog, store);
  const { catalog: name, revision } = await catalog.storage.identity();
  const setAside = { removed: { blobs: 0, bytes: 0 }, unknown: { blobs: 0, bytes: 0 } };
  for await (const { reason, size } of store.aside()) {
    setAside[reason].blobs += 1;
    setAside[reason].bytes += size;
  }
  return {
    owned: ownership.owned,
    problem: emptiness ?? (ownership.owned ? null : ownership.message),
    catalog: name,
    revision,
    owner: ownership.record ?? null,
    setAside,
    stoppedSweep: (await catalog.storage.stoppedSweep()) ?? null,
  };
}

export function storageText(report: StorageReport): string {
  const { owner, setAside, stoppedSweep: stopped } = report;
  const aside = (reason: AsideReason) =>
    `${setAside[reason].blobs} blobs, ${humanSize(setAside[reason].bytes)}`;
  const rows = [
    ['catalog', `${report.catalog}, revision ${report.revision}`],
    ['owner', owner === null ? '-' : `${owner.catalog}, revision ${owner.revision}, ${owner.at}`],
    ['owned', report.owned ? 'yes' : 'no: nothing is removed'],
    ['set aside', `removed: ${aside('removed')}; unknown: ${aside('unknown')}`],
    [
      'sweep',
      stopped === null
        ? '-'
        : `stopped at ${stopped.at}: ${stopped.unknown} of ${stopped.blobs} blobs unknown`,
    ],
  ];
  return rows.map(([title = '', value = '']) => `${title.padEnd(11)}${value}`).join('\n');
}
