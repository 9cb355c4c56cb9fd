import { setMaxListeners } from 'node:events';
import type { Actor } from '../catalog/database/audit-record.ts';
import type { HeldLease } from '../catalog/held-lease.ts';
import type { RunOutcome } from '../catalog/mirrors/mirror-run-rows.ts';
import { ownerOf } from '../catalog/products/ownership.ts';
import { HeadwaterError, messageOf } from '../errors.ts';
import { unlimited } from '../model/rights.ts';
import type { MirrorServices } from './mirror-services.ts';
import { takeMirrorLease } from './run/lease.ts';
import { emptyReport, type RunReport, type RunResult } from './run/report.ts';

/** A run that has begun. */
export interface StartedRun {
  /** In the audit log, the mirror makes the changes. */
  services: MirrorServices;
  /** The mirror itself. */
  actor: Actor;
  lease: HeldLease;
  /** Aborted when the caller stops the run, or when its lease is lost. */
  signal: AbortSignal;
  /** It continues an interrupted run. */
  resumes: boolean;
  /** To be filled in. */
  report: RunReport;
}

interface RecordedRunOptions {
  /** Why the mirror runs. */
  cause: string;
  signal?: AbortSignal;
  /** Milliseconds between renewals of the lease. */
  renewInterval?: number;
}

/**
 * Takes the lease of a mirror, does the work of a run, and records the run with its report.
 * @param work fills in the report, and returns how the run ended
 * @returns what it did; a run that could not continue is `failed`, with the error
 * @throws HeadwaterError `conflict` during another run of the same mirror; nothing is recorded
 */
export async function recordedRun(
  mirror: string,
  workspace: MirrorServices,
  options: RecordedRunOptions,
  work: (run: StartedRun) => Promise<RunOutcome>,
): Promise<RunResult & { error?: unknown }> {
  const actor = { who: ownerOf(mirror), from: 'this machine', permit: unlimited };
  const services = {
    ...workspace,
    catalog: workspace.catalog.by(actor),
    destination: workspace.destination.by(actor),
  };
  const { mirrors } = services.catalog;
  const lease = await takeMirrorLease(mirrors, mirror, options.renewInterval);
  const startedAt = new Date();
  const report = emptyReport();
  try {
    const { id, resumes } = await mirrors.begin(mirror, options.cause, startedAt);
    const signal = AbortSignal.any([lease.lost, ...(options.signal === undefined ? [] : [options.signal])]);
    // Each running request adds a listener.
    setMaxListeners(0, signal);
    let outcome: RunOutcome;
    let failure: { error?: unknown } = {};
    try {
      outcome = await work({ services, actor, lease, signal, resumes, report });
    } catch (error) {
      outcome = signal.aborted ? 'interrupted' : 'failed';
      failure = { error: signal.aborted && !(error instanceof HeadwaterError) ? interrupted(signal) : error };
    }
    const finishedAt = new Date();
    if (failure.error instanceof HeadwaterError) report.errorKind = failure.error.kind;
    const message = 'error' in failure ? { error: messageOf(failure.error) } : {};
    await mirrors.finish(id, { outcome, report, ...message }, finishedAt);
    return { mirror, outcome, startedAt, finishedAt, report, ...failure };
  } finally {
    await lease.release();
  }
}

function interrupted(signal: AbortSignal): HeadwaterError {
  if (signal.reason instanceof HeadwaterError) return signal.reason;
  return new HeadwaterError('aborted', 'interrupted: the next run resumes from here');
}
