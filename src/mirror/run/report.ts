import type { RunOutcome } from '../../catalog/mirrors/mirror-run-rows.ts';
import type { ErrorKind } from '../../errors.ts';
import type { Skipped } from '../../simplestreams/read/offered.ts';

/** What a run did, or a plan would do. */
export interface RunReport {
  /** Versions. */
  added: number;
  kept: number;
  retired: number;
  failed: FailedVersion[];
  /** How many versions failed; `failed` names the first ones. */
  failures: number;
  skipped: Skipped[];
  aliases: { changed: number; withheld: { alias: string; owner: string }[] };
  /** Bytes that arrived over the network, and bytes of added versions that were stored already. */
  fetched: number;
  stored: number;
  warnings: string[];
  /** The kind of the error that ended the run, if there was one. */
  errorKind?: ErrorKind;
}

interface FailedVersion {
  product: string;
  version: string;
  error: string;
}

/** How a run ended. */
export interface RunResult {
  mirror: string;
  outcome: RunOutcome;
  startedAt: Date;
  finishedAt: Date;
  report: RunReport;
}

/** How many failures a record names: they tend to have one cause. */
export const maxFailuresNamed = 50;

/** How many warnings a record has. */
const maxWarnings = 50;

/** Adds a warning about an image to a report; beyond the limit, one that refers to the audit log. */
export function addWarning(report: RunReport, warning: string): void {
  if (report.warnings.length < maxWarnings) report.warnings.push(warning);
  else if (report.warnings.length === maxWarnings) {
    report.warnings.push('more images break rules that are set to warn: see "headwater audit"');
  }
}

export function emptyReport(): RunReport {
  return {
    added: 0,
    kept: 0,
    retired: 0,
    failed: [],
    failures: 0,
    skipped: [],
    aliases: { changed: 0, withheld: [] },
    fetched: 0,
    stored: 0,
    warnings: [],
  };
}
