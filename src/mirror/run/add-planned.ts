import { outcomeOf } from '../../async/outcome.ts';
import { ownerOf } from '../../catalog/products/ownership.ts';
import type { MirrorDefinition } from '../../config/mirror-schema.ts';
import { defined } from '../../model/defined.ts';
import { ClaimedFingerprints } from '../claimed-fingerprints.ts';
import type { BlobDownloads } from '../download/blob-downloads.ts';
import { isSmall } from '../download/expected-file.ts';
import type { RunEvidence } from '../evidence/run-evidence.ts';
import type { MirrorServices } from '../mirror-services.ts';
import type { Plan, PlannedVersion } from '../plan/plan.ts';
import { addVersions, inBatches } from './add-versions.ts';
import { publishListed } from './publish-listed.ts';
import { addWarning, type RunReport } from './report.ts';
import type { RunOptions } from './run-options.ts';

/** How many batches are added at a time in addition to one per connection: some of them wait for the disk. */
const extraBatches = 2;

/**
 * Adds the planned versions of a run: downloads and publishes them, or lists them on demand.
 * @param options.report is filled in
 * @throws HeadwaterError as {@link addVersions}
 */
export async function addPlanned(
  plan: Pick<Plan, 'add'>,
  definition: MirrorDefinition,
  services: MirrorServices & { downloads: BlobDownloads; evidence: RunEvidence },
  options: Pick<RunOptions, 'progress'> & { signal: AbortSignal; report: RunReport },
): Promise<void> {
  const { destination, catalog, downloads } = services;
  const { stream, mode, name, concurrency } = definition;
  const { signal, progress, report } = options;
  const owner = ownerOf(name);
  if (plan.add.length === 0) return;
  // Loading the publisher takes longer than a run that has nothing to publish.
  const { fetchAndPublish } = await import('./fetch-and-publish.ts');
  const claims = new ClaimedFingerprints(services);
  const evidence = ({ product, version }: PlannedVersion) => services.evidence.of(product, version.serial);
  const publishing = { downloads, destination, claims, owner, stream, evidence };
  const onWarning = (warning: string) => addWarning(report, warning);
  const fetching = { signal, onWarning, ...defined({ progress }) };
  const listing = { catalog, mirror: name, owner, stream, evidence };
  await addVersions(
    inBatches(plan.add, ({ files, fetch }) => {
      if (mode === 'on-demand') return 0;
      return files.every(isSmall) ? fetch : undefined;
    }),
    async (versions) =>
      mode === 'scheduled'
        ? await fetchAndPublish(versions, publishing, fetching)
        : await Promise.all(versions.map((planned) => outcomeOf(() => publishListed(planned, listing)))),
    report,
    { parallel: concurrency + extraBatches, signal },
  );
}
