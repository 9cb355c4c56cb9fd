import type { VolumeProblem } from '../../bundle/import/bundle-source.ts';
import type { RunOutcome } from '../../catalog/mirrors/mirror-run-rows.ts';
import type { ErrorKind } from '../../errors.ts';
import type { Skipped } from '../../simplestreams/read/offered.ts';
import type { Waiting } from '../site/waiting.ts';

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
  /** Of an import. */
  bundle?: ImportedBundle;
  /** The kind of the error that ended the run, if there was one. */
  errorKind?: ErrorKind;
}

/** The bundle of an import, and what is still missing after it. */
interface ImportedBundle {
  site: string;
  to: string;
  sequence: number;
  /** The SHA-256 of its manifest. */
  identity: string;
  /** When it was created. */
  created: string;
  /** The key that signed it; absent when signatures are not checked. */
  signedBy?: string;
  /** The number of the newest bundle, whose state the mirror follows. */
  newest: number;
  /** Volumes that are damaged or missing, with what is wrong. */
  volumes: VolumeProblem[];
  /** What versions still wait for. */
  waiting: Waiting;
  /** Commands with which the other site sends again what is missing. */
  requests: string[];
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
