import { HeadwaterError, messageOf } from '../errors.ts';
import type { PlannedVersion } from './plan.ts';
import { failuresNamed, type RunReport } from './report.ts';

/** After how many versions in a row that the upstream did not give it is taken to be gone. */
const patience = 5;

/**
 * Adds versions, several at a time. One that fails fails alone, unless what failed would fail the others too.
 * @param add fetches and publishes one
 * @param report is filled in
 * @throws HeadwaterError `no-space`, `aborted`; `unavailable` when the upstream or the store seems to be gone
 */
export async function addVersions(
  versions: readonly PlannedVersion[],
  add: (planned: PlannedVersion) => Promise<void>,
  report: RunReport,
  options: { parallel: number; signal: AbortSignal },
): Promise<void> {
  const queue = versions[Symbol.iterator]();
  let unreachable = 0;
  let fatal: unknown;
  const worker = async () => {
    for (const planned of queue) {
      if (fatal !== undefined) return;
      try {
        options.signal.throwIfAborted();
        await add(planned);
        report.added += 1;
        unreachable = 0;
      } catch (error) {
        if (!(error instanceof HeadwaterError) || options.signal.aborted || isFatal(error)) {
          fatal ??= error;
          return;
        }
        note(report, planned, error);
        unreachable = error.kind === 'unavailable' ? unreachable + 1 : 0;
        if (unreachable >= patience) fatal ??= error;
      }
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
  if (report.failed.length >= failuresNamed) return;
  report.failed.push({ product: planned.product, version: planned.version.name, error: messageOf(error) });
}
