import { type Outcome, outcomeOf, withOutcomes } from '../../async/outcome.ts';
import { HeadwaterError, messageOf } from '../../errors.ts';
import type { PlannedVersion } from '../plan/plan.ts';
import { maxFailuresNamed, type RunReport } from './report.ts';

/** After so many versions in a row that could not be fetched, the upstream counts as gone. */
const maxUnreachableInRow = 5;

/** The most versions in a batch, and the most bytes of them in memory. */
const maxBatch = { versions: 48, bytes: 4 * 1024 * 1024 };

/**
 * Groups small versions into batches: their cost is the round trip, not the bytes.
 * @param weigh how many bytes of a version are in memory while it is added; undefined for a version that is added alone
 */
export function inBatches<Version>(
  versions: readonly Version[],
  weigh: (version: Version) => number | undefined,
): Version[][] {
  const batches: Version[][] = [];
  let open: Version[] = [];
  let bytes = 0;
  for (const version of versions) {
    const weight = weigh(version);
    if (weight === undefined) {
      batches.push([version]);
      continue;
    }
    if (open.length >= maxBatch.versions || bytes + weight > maxBatch.bytes) open = [];
    if (open.length === 0) {
      batches.push(open);
      bytes = 0;
    }
    open.push(version);
    bytes += weight;
  }
  return batches;
}

/**
 * Adds versions, several batches at a time. A failure concerns one version, unless it would fail the others too.
 * @param add downloads and publishes a batch, and returns the outcome of each version
 * @param report is filled in
 * @throws HeadwaterError `no-space`, `aborted`; `unavailable` when the upstream or the store seems to be gone
 */
export async function addVersions<Version extends PlannedVersion>(
  batches: readonly Version[][],
  add: (versions: readonly Version[]) => Promise<Outcome<void>[]>,
  report: RunReport,
  options: { parallel: number; signal: AbortSignal },
): Promise<void> {
  const queue = batches[Symbol.iterator]();
  let unreachable = 0;
  let fatal: unknown;
  const settle = (planned: PlannedVersion, outcome: Outcome<void>) => {
    if ('result' in outcome) {
      report.added += 1;
      unreachable = 0;
      return;
    }
    const { error } = outcome;
    if (!(error instanceof HeadwaterError) || options.signal.aborted || isFatal(error)) {
      fatal ??= error;
      return;
    }
    note(report, planned, error);
    unreachable = error.kind === 'unavailable' ? unreachable + 1 : 0;
    if (unreachable >= maxUnreachableInRow) fatal ??= error;
  };
  const worker = async () => {
    for (const batch of queue) {
      if (fatal !== undefined) return;
      const outcomes = await outcomeOf(() => {
        options.signal.throwIfAborted();
        return add(batch);
      });
      const each = 'error' in outcomes ? batch.map(() => outcomes) : outcomes.result;
      for (const { request, outcome } of withOutcomes(batch, each)) settle(request, outcome);
    }
  };
  await Promise.all(Array.from({ length: options.parallel }, worker));
  options.signal.throwIfAborted();
  if (fatal !== undefined) throw fatal;
}

function isFatal(error: HeadwaterError): boolean {
  return error.kind === 'no-space' || error.kind === 'aborted';
}

function note(report: RunReport, planned: PlannedVersion, error: unknown): void {
  report.failures += 1;
  if (report.failed.length >= maxFailuresNamed) return;
  report.failed.push({ product: planned.product, version: planned.version.name, error: messageOf(error) });
}
