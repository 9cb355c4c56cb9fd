import type { Catalog } from '../../catalog/catalog.ts';
import type { ScrubRound } from '../../catalog/storage/scrubs.ts';

/** The state of scrubs, for people and scripts. */
export interface ScrubReport {
  /** Whether a server scrubs now. */
  running: boolean;
  /** The scrub that is running or was interrupted. */
  round: ScrubRound | null;
  /** The last scrub that was completed. */
  last: ScrubRound | null;
  /** Blobs that are damaged or missing now, as far as is known, and their bytes. */
  lost: { blobs: number; bytes: number };
  /** Bytes of all stored blobs. */
  total: number;
}

/** Reports on the scrubs of a catalog's store. */
export async function scrubReport(catalog: Catalog): Promise<ScrubReport> {
  const { round, last, running } = await catalog.scrubs.state();
  const lost = await catalog.storage.lostSize();
  const { bytes: total } = await catalog.size();
  return { running, round: round ?? null, last: last ?? null, lost, total };
}
