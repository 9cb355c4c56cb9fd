import type { Digest } from '../blobs/digest.ts';
import type { Destination, KeptFile } from '../publish/destination.ts';
import { publish } from '../publish/publisher.ts';
import type { Progress, PublishRequest, SourceFile } from '../publish/request.ts';
import { isTakenApart } from './held-versions.ts';
import type { OfferedFile } from './offered.ts';
import type { PlannedVersion } from './plan.ts';

/** Brings a file of an upstream here, whole and checked (`keep-blob.ts`). */
export interface FileKeeper {
  keep(
    file: { path: string; size: number; sha256?: Digest; sha512?: string; md5?: string },
    options?: { metadata?: KeptFile; progress?: Progress; signal?: AbortSignal },
  ): Promise<KeptFile>;
}

/**
 * Fetches the files of a version and publishes it. One that is listed already only needs its files.
 * @throws HeadwaterError what keeping and publishing throw
 */
export async function fetchAndPublish(
  planned: PlannedVersion,
  parts: { keeper: FileKeeper; destination: Destination; owner: string; stream: string },
  options: { progress?: Progress; signal: AbortSignal },
): Promise<void> {
  const { metadata } = planned.version;
  const keep = async (file: OfferedFile, first?: KeptFile) =>
    await parts.keeper.keep(file, { ...options, ...(first === undefined ? {} : { metadata: first }) });
  const first = metadata === undefined ? undefined : await keep(metadata);
  const rest = planned.files.filter((file) => file !== metadata);
  const others = await Promise.all(
    rest.map(async (file) => ({ file, kept: await keep(file, 'base' in file ? undefined : first) })),
  );
  if (planned.listed && !isTakenApart(planned.version)) return;
  const files: SourceFile[] = [
    ...(first === undefined ? [] : [source(first)]),
    ...others.map(({ file, kept }) => ({
      ...source(kept),
      ...('base' in file ? { deltaBase: file.base } : {}),
    })),
  ];
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

function source({ name, digest }: KeptFile): SourceFile {
  return { from: 'blob', name, digest };
}
