import type { CarriedBlob } from '../../bundle/format/manifest-schema.ts';
import type { BundleSource, VolumeProblem } from '../../bundle/import/bundle-source.ts';
import { IncomingBlobs } from '../../bundle/import/incoming-blobs.ts';
import type { Actor, AuditEvent } from '../../catalog/database/audit-record.ts';
import type { RunOutcome } from '../../catalog/mirrors/mirror-run-rows.ts';
import type { SiteMirror } from '../../config/sites/site-mirror-schema.ts';
import { HeadwaterError } from '../../errors.ts';
import { defined } from '../../model/defined.ts';
import { type Digest, parseDigest } from '../../model/digest.ts';
import type { VersionEvidence } from '../../model/evidence.ts';
import type { Progress } from '../../publish/request.ts';
import type { MirrorServices } from '../mirror-services.ts';
import { recordedRun, type StartedRun } from '../recorded-run.ts';
import type { RunResult } from '../run/report.ts';
import { checkBlobs } from './check-blobs.ts';
import { type Preparation, type PreparationOptions, prepareImport } from './preparation.ts';
import { SiteBlobs } from './site-blobs.ts';
import { type CheckBlobs, SitePublisher } from './site-publish.ts';
import { reconcileSite } from './site-reconcile.ts';
import type { SiteState } from './site-state.ts';
import { awaitedBlobs, requestsFor, summarize } from './waiting.ts';

/** How a bundle is imported. */
export interface ImportOptions extends PreparationOptions {
  /** Who asked for the import: the audit log names them. */
  requestedBy?: Actor;
  signal?: AbortSignal;
  /** Takes the place of the program in `check` of the definition. */
  check?: CheckBlobs;
  /** The bytes that the store can still take; undefined if it has no limit that is known. */
  freeSpace?: () => Promise<number | undefined>;
  /** Called with what the import will do, before it begins. */
  onPrepared?: (preparation: Preparation) => void;
  progress?: Progress;
}

/**
 * Imports a bundle: a run of the mirror whose upstream is the bundle. Bundles may come in any order. A version is published
 * when all its blobs are stored; the state of the newest bundle decides what is retired.
 * @returns what it did. `partial`: versions failed, or wait for blobs. A run that could not continue is `failed`, with the error
 * @throws HeadwaterError `conflict` during another run of the same mirror; nothing is recorded
 */
export async function importBundle(
  definition: SiteMirror,
  source: BundleSource,
  services: MirrorServices,
  options: ImportOptions = {},
): Promise<RunResult & { error?: unknown }> {
  const { signal } = options;
  return await recordedRun(
    definition.name,
    services,
    { cause: 'bundle', ...defined({ signal }) },
    async (run) => await new Import(definition, source, run, options).go(),
  );
}

/** One import that has the lease. */
class Import {
  readonly #definition: SiteMirror;
  readonly #source: BundleSource;
  readonly #run: StartedRun;
  readonly #options: ImportOptions;

  constructor(definition: SiteMirror, source: BundleSource, run: StartedRun, options: ImportOptions) {
    this.#definition = definition;
    this.#source = source;
    this.#run = run;
    this.#options = options;
  }

  async go(): Promise<RunOutcome> {
    const { report, services } = this.#run;
    const prepared = await prepareImport(this.#definition, this.#source.bundle, services, this.#options);
    const { offer, plan, wanted } = prepared;
    report.skipped = [...offer.skipped, ...plan.skipped];
    report.warnings = [...offer.warnings];
    report.stored = plan.stored;
    await this.#assertRoom(wanted.values());
    this.#options.onPrepared?.(prepared);
    const isRepeat = prepared.isKnown && plan.add.length === 0 && prepared.place.forced === undefined;
    await this.#run.lease.assertHeld();
    if (!isRepeat) await this.#begin(prepared);
    const { publisher, isStored, volumes, damaged } = await this.#take(prepared);
    const streams = await reconcileSite(this.#definition, this.#run, prepared, { isStored });
    await this.#finish(prepared, { publisher, isStored, volumes, damaged, streams, isRepeat });
    if (report.failures > 0 || publisher.waiting.length > 0) return 'partial';
    const isUnchanged = report.added + report.retired + report.aliases.changed === 0 && prepared.isKnown;
    return isUnchanged ? 'unchanged' : 'success';
  }

  /** @throws HeadwaterError `no-space` before anything is written */
  async #assertRoom(wanted: Iterable<CarriedBlob>): Promise<void> {
    const free = await this.#options.freeSpace?.();
    const needed = [...wanted].reduce((sum, { size }) => sum + size, 0);
    if (free === undefined || needed <= free) return;
    throw new HeadwaterError(
      'no-space',
      `the import needs ${needed} bytes, and ${free} are free: nothing was imported. Free ${needed - free} bytes`,
    );
  }

  async #begin({ place, awaited }: Preparation): Promise<void> {
    const { bundle } = this.#source;
    const { site, to, sequence, previous, created } = bundle.content;
    const { identity } = bundle;
    const now = new Date();
    const forced: AuditEvent[] =
      place.forced === undefined
        ? []
        : [
            {
              action: 'bundle.accept-other-chain',
              subject: this.#definition.name,
              details: { site, sequence, identity, problem: place.forced },
            },
          ];
    await this.#catalogOfOperator().received.begin(
      this.#definition.name,
      {
        ...{ identity, site, to, sequence, previous, signedBy: bundle.signedBy ?? null },
        ...{ createdAt: new Date(created), receivedAt: now, isComplete: false },
      },
      {
        ...(place.isNewest ? { manifest: bundle.manifest.toString() } : {}),
        ...{ awaited, forgetsOthers: place.forced !== undefined, events: forced },
      },
    );
  }

  /** Stores the wanted blobs and publishes the versions that they complete. */
  async #take(prepared: Preparation) {
    const { services, signal, report } = this.#run;
    const { name, check: command } = this.#definition;
    const { progress, check = command && checkBlobs(command, services) } = this.#options;
    const { wanted, plan } = prepared;
    const blobs = new SiteBlobs(services.destination, plan.add, defined({ progress }));
    const isNew = (digest: Digest) => blobs.isStored(digest);
    const isStored = (digest: string) => blobs.isStored(parseDigest(digest)) || prepared.isStored(digest);
    const publisher = new SitePublisher(plan.add, {
      ...{ mirror: name, services, report, signal, isStored, isNew },
      evidence: this.#evidence(prepared),
      ...defined({ check }),
    });
    const isWanted = ({ digest }: CarriedBlob) => wanted.has(digest) && !isNew(parseDigest(digest));
    const incoming = new IncomingBlobs(isWanted, async (blob, bytes) => {
      signal.throwIfAborted();
      await blobs.store(blob, bytes);
    });
    const settle = async () => {
      await blobs.flush();
      await publisher.publishComplete();
    };
    // Versions whose blobs are all stored wait for nothing.
    await publisher.publishComplete();
    const volumes =
      wanted.size === 0
        ? []
        : await this.#source.read(incoming, {
            isWanted,
            onBytes: () => signal.throwIfAborted(),
            onVolume: settle,
          });
    await incoming.close();
    await settle();
    report.fetched = blobs.received;
    const damaged = [...wanted.values()].filter(({ digest }) => !isNew(parseDigest(digest)));
    for (const { digest } of damaged) {
      const reason = incoming.refused.get(digest) ?? blobs.refused.get(parseDigest(digest));
      if (reason !== undefined) report.warnings.push(`${digest}: ${reason}`);
    }
    return { publisher, isStored, volumes, damaged };
  }

  async #finish(
    prepared: Preparation,
    result: {
      publisher: SitePublisher;
      isStored: (digest: string) => boolean;
      volumes: VolumeProblem[];
      damaged: readonly CarriedBlob[];
      streams: SiteState['streams'];
      isRepeat: boolean;
    },
  ): Promise<void> {
    const { report, services, lease } = this.#run;
    const { name } = this.#definition;
    const { state, offer, mark } = prepared;
    const { publisher, damaged } = result;
    const { bundle } = this.#source;
    const { site, to, sequence, created } = bundle.content;
    const { identity, signedBy } = bundle;
    const awaited = awaitedBlobs(publisher.waiting, state);
    const waiting = summarize(
      publisher.waiting.length,
      awaited.filter(({ digest }) => !result.isStored(digest)),
    );
    const volumes = damaged.flatMap((blob) => blob.volume ?? (blob.pieces ?? []).map(({ volume }) => volume));
    report.bundle = {
      ...{ site, to, sequence, identity, created, ...defined({ signedBy }), newest: state.sequence },
      ...{ volumes: result.volumes, waiting },
      requests: requestsFor({ to }, waiting, {
        sequence,
        volumes: this.#source.isStream ? [] : [...new Set(volumes)].sort((one, other) => one - other),
      }),
    };
    await lease.assertHeld();
    await services.catalog.mirrors.setState(name, {
      ...{ definition: mark, documents: [], totals: offer.totals, selected: offer.selected, aliases: [] },
      streams: result.streams,
    } satisfies SiteState);
    if (result.isRepeat) return;
    await this.#catalogOfOperator().received.finish(
      name,
      identity,
      { isComplete: damaged.length === 0, waitingVersions: waiting.versions, awaited },
      {
        action: 'bundle.import',
        subject: name,
        details: {
          ...{ site, sequence, identity, signer: signedBy ?? null, bytes: report.fetched },
          ...{
            added: report.added,
            retired: report.retired,
            failed: report.failures,
            waiting: waiting.versions,
          },
        },
      },
    );
  }

  /** The signature of the site vouches for the versions of its state. */
  #evidence({ state, newest: { identity, signedBy } }: Preparation): VersionEvidence {
    const { who } = this.#options.requestedBy ?? this.#run.actor;
    return {
      proof: signedBy === undefined ? 'none' : 'site',
      bundle: {
        ...{ identity, sequence: state.sequence, site: state.site, operator: who },
        ...defined({ signer: signedBy }),
      },
    };
  }

  /** The catalog, in whose audit log the operator makes the changes. */
  #catalogOfOperator() {
    return this.#run.services.catalog.by(this.#options.requestedBy ?? this.#run.actor);
  }
}
