import { outcomeOf } from '../../async/outcome.ts';
import { ownerOf } from '../../catalog/products/ownership.ts';
import { HeadwaterError } from '../../errors.ts';
import type { Digest } from '../../model/digest.ts';
import type { VersionEvidence } from '../../model/evidence.ts';
import { ClaimedFingerprints } from '../claimed-fingerprints.ts';
import type { MirrorServices } from '../mirror-services.ts';
import { addVersions, inBatches } from '../run/add-versions.ts';
import { publishStored } from '../run/fetch-and-publish.ts';
import { addWarning, type RunReport } from '../run/report.ts';
import type { SiteVersion } from './site-plan.ts';

/** How many batches of versions are published at a time. */
const parallel = 4;

/**
 * Examines new blobs before a version with them is published.
 * @param blobs stored blobs that no published version has
 * @returns why blobs are refused, by digest; those that are not named are accepted
 */
export type CheckBlobs = (
  blobs: readonly { digest: Digest; size: number }[],
  options: { signal: AbortSignal },
) => Promise<ReadonlyMap<string, string>>;

interface PublishOptions {
  mirror: string;
  services: MirrorServices;
  /** What vouches for the versions. */
  evidence: VersionEvidence;
  /** Counts added and failed versions. */
  report: RunReport;
  signal: AbortSignal;
  check?: CheckBlobs;
  /** Whether a digest is stored by now. */
  isStored: (digest: Digest) => boolean;
  /** Whether this run stored it. */
  isNew: (digest: Digest) => boolean;
}

/** Publishes the versions of a bundle, each when all its blobs are stored. */
export class SitePublisher {
  readonly #options: PublishOptions;
  readonly #claims: ClaimedFingerprints;
  readonly #accepted = new Set<string>();
  #waiting: SiteVersion[];

  constructor(versions: readonly SiteVersion[], options: PublishOptions) {
    this.#waiting = [...versions];
    this.#options = options;
    this.#claims = new ClaimedFingerprints(options.services);
  }

  /** The versions that still lack blobs. */
  get waiting(): readonly SiteVersion[] {
    return this.#waiting;
  }

  /** Publishes the versions that have become complete. @throws as {@link addVersions} */
  async publishComplete(): Promise<void> {
    const { isStored, report, signal } = this.#options;
    const isComplete = ({ files }: SiteVersion) =>
      files.every(({ sha256 }) => sha256 !== undefined && isStored(sha256));
    const complete = this.#waiting.filter(isComplete);
    if (complete.length === 0) return;
    this.#waiting = this.#waiting.filter((version) => !isComplete(version));
    const refused = await this.#check(complete);
    await addVersions(
      // Their bytes are stored: none is in memory.
      inBatches(complete, () => 0),
      async (versions) =>
        await Promise.all(versions.map((version) => outcomeOf(() => this.#publish(version, refused)))),
      report,
      { parallel, signal },
    );
  }

  /** @returns why blobs of versions are refused, by digest */
  async #check(versions: readonly SiteVersion[]): Promise<ReadonlyMap<string, string>> {
    const { check, services, signal, isNew } = this.#options;
    if (check === undefined) return new Map();
    const blobs = new Map<Digest, { digest: Digest; size: number }>();
    for (const { sha256, size } of versions.flatMap(({ files }) => files)) {
      if (sha256 !== undefined && !this.#accepted.has(sha256)) blobs.set(sha256, { digest: sha256, size });
    }
    const seen = [...blobs.keys()].filter((digest) => !isNew(digest));
    const published = await services.catalog.blobs.published(seen);
    for (const digest of seen) if (published.has(digest)) blobs.delete(digest);
    const refused = await check([...blobs.values()], { signal });
    for (const digest of blobs.keys()) if (!refused.has(digest)) this.#accepted.add(digest);
    return refused;
  }

  async #publish(version: SiteVersion, refused: ReadonlyMap<string, string>): Promise<void> {
    const { mirror, services, report, evidence } = this.#options;
    for (const { sha256 = '', path } of version.files) {
      const reason = refused.get(sha256);
      if (reason !== undefined) throw new HeadwaterError('invalid', `${path}: refused by "check": ${reason}`);
    }
    const { destination } = services;
    const files = await Promise.all(
      version.files.map(async ({ path, sha256 }) => {
        if (sha256 === undefined) throw new Error(`${path} has no digest`);
        return await destination.store({ from: 'blob', name: path, digest: sha256 });
      }),
    );
    await publishStored(
      version,
      files,
      {
        ...{ destination, claims: this.#claims, owner: ownerOf(mirror), stream: version.stream },
        evidence: () => evidence,
      },
      (warning) => addWarning(report, warning),
    );
  }
}
