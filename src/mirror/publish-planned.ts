import type { Destination, KeptFile } from '../publish/destination.ts';
import { publish } from '../publish/publisher.ts';
import type { Progress, PublishRequest, SourceFile } from '../publish/request.ts';
import { isTakenApart } from './held-versions.ts';
import type { BlobKeeper } from './keep-blob.ts';
import type { PlannedVersion } from './plan.ts';

/**
 * Fetches the files of a version and publishes it. One that is listed already only needs its files.
 * @throws HeadwaterError what keeping and publishing throw
 */
export async function fetchAndPublish(
  planned: PlannedVersion,
  parts: { keeper: Pick<BlobKeeper, 'keepAll'>; destination: Destination; owner: string; stream: string },
  options: { progress?: Progress; signal: AbortSignal },
): Promise<void> {
  const { metadata } = planned.version;
  const rest = planned.files.filter((file) => file !== metadata);
  const deltas = rest.filter((file) => 'base' in file);
  const roots = rest.filter((file) => !('base' in file));
  const kept = await parts.keeper.keepAll(
    { ...(metadata === undefined ? {} : { metadata }), roots, deltas },
    options,
  );
  if (planned.listed && !isTakenApart(planned.version)) return;
  const bases = new Map(deltas.map(({ path, base }) => [path, base]));
  const files = kept.map((file) => source(file, bases.get(file.name)));
  await publish(
    parts.destination,
    { ...requestFor(planned, parts.stream), files },
    {
      owner: parts.owner,
      fromUpstream: true,
    },
  );
}

/** What the upstream's document says of a version, as a publish takes it. */
function requestFor(planned: PlannedVersion, stream: string): Omit<PublishRequest, 'files'> {
  const { key, details, version } = planned;
  return {
    ...details,
    ...key,
    stream,
    serial: version.serial,
    ...(version.label === undefined ? {} : { label: version.label }),
  };
}

function source({ name, digest }: KeptFile, deltaBase: string | undefined): SourceFile {
  return { from: 'blob', name, digest, ...(deltaBase === undefined ? {} : { deltaBase }) };
}
