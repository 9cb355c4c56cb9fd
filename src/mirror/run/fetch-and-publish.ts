import { type Outcome, outcomeOf, resultOf, withOutcomes } from '../../async/outcome.ts';
import { defined } from '../../model/defined.ts';
import type { VersionEvidence } from '../../model/evidence.ts';
import type { Destination, StoredFile } from '../../publish/destination/destination.ts';
import { publish } from '../../publish/publisher.ts';
import type { Progress, PublishRequest, SourceFile } from '../../publish/request.ts';
import type { ClaimedFingerprints } from '../claimed-fingerprints.ts';
import type { BlobDownloads } from '../download/blob-downloads.ts';
import { isTakenApart } from '../plan/held-versions.ts';
import type { PlannedVersion } from '../plan/plan.ts';

interface PublishServices {
  downloads: Pick<BlobDownloads, 'downloadAll'>;
  destination: Destination;
  claims: Pick<ClaimedFingerprints, 'checkStored'>;
  owner: string;
  stream: string;
  /** What vouches for a version, after its files were downloaded. */
  evidence: (planned: PlannedVersion) => VersionEvidence | undefined;
}

/**
 * Downloads the files of versions and publishes them. A version that is listed already only needs its files.
 * @param options.onWarning receives warnings about images that break a rule set to `warn`
 * @returns the outcome of each, with the errors of downloading and publishing
 */
export async function fetchAndPublish(
  versions: readonly PlannedVersion[],
  services: PublishServices,
  options: { progress?: Progress; signal: AbortSignal; onWarning: (warning: string) => void },
): Promise<Outcome<void>[]> {
  const kept = await services.downloads.downloadAll(versions.map(filesOf), options);
  return await Promise.all(
    withOutcomes(versions, kept).map(({ request, outcome }) =>
      outcomeOf(() => publishStored(request, resultOf(outcome), services, options.onWarning)),
    ),
  );
}

function filesOf({ version: { metadata }, files }: PlannedVersion) {
  const rest = files.filter((file) => file !== metadata);
  const deltas = rest.filter((file) => 'base' in file);
  const roots = rest.filter((file) => !('base' in file));
  return { ...defined({ metadata }), roots, deltas };
}

/** Publishes a version whose files are stored. @throws the errors of publishing */
export async function publishStored(
  planned: PlannedVersion,
  kept: readonly StoredFile[],
  services: Omit<PublishServices, 'downloads'>,
  onWarning: (warning: string) => void,
): Promise<void> {
  if (planned.listed && !isTakenApart(planned.version)) {
    // It was listed before its bytes were here.
    for (const { digest } of kept) await services.claims.checkStored(digest, { sourced: false });
    return;
  }
  const bases = new Map(filesOf(planned).deltas.map(({ path, base }) => [path, base]));
  const files = kept.map(({ name, digest }): SourceFile => {
    // The digest of a unified image is checked where it is stored.
    const root = planned.version.roots.find((file) => file.path === name && !file.unified);
    const said = { deltaBase: bases.get(name), expectedFingerprint: root?.fingerprint };
    return { from: 'blob', name, digest, ...defined(said) };
  });
  await publish(
    services.destination,
    { ...requestFor(planned, services.stream), files },
    {
      owner: services.owner,
      fromUpstream: true,
      upstreamName: planned.version.name,
      ...defined({ evidence: services.evidence(planned) }),
      onRuleWarning: (warning) => onWarning(`${planned.product} ${planned.version.name}: ${warning}`),
    },
  );
}

/** Makes a publish request of what the upstream's document says about a version. */
function requestFor(planned: PlannedVersion, stream: string): Omit<PublishRequest, 'files'> {
  const { key, details, version } = planned;
  return {
    ...details,
    ...key,
    stream,
    serial: version.serial,
    ...defined({ label: version.label }),
  };
}
