import { setMaxListeners } from 'node:events';
import { outcomeOf } from '../../async/outcome.ts';
import type { RunOutcome } from '../../catalog/mirrors/mirror-run-rows.ts';
import { ownerOf } from '../../catalog/products/mirror-owner.ts';
import type { MirrorDefinition } from '../../config/mirror-schema.ts';
import { HeadwaterError, messageOf } from '../../errors.ts';
import { defined } from '../../model/defined.ts';
import { unlimited } from '../../model/rights.ts';
import { isSmall } from '../download/expected-file.ts';
import type { Plan } from '../plan/plan.ts';
import { retiredSerials } from '../plan/retention.ts';
import { addVersions, inBatches } from './add-versions.ts';
import { HeldLease } from './lease.ts';
import { type MirrorParts, type OpenUpstream, openUpstream } from './open-upstream.ts';
import { publishListed } from './publish-listed.ts';
import { assertNotShrunk, type Survey, surveyAndPlan } from './read-upstream.ts';
import { followUpstream } from './reconcile.ts';
import { addWarning, emptyReport, type RunReport, type RunResult } from './report.ts';
import type { RunOptions } from './run-options.ts';
import { definitionMark, type MirrorState } from './state.ts';
import { storedDigests } from './stored-digests.ts';

/** How many batches of versions are added at once, beside as many as there are connections: what they wait for is the disk. */
const moreAtOnce = 2;

/**
 * Runs a mirror: brings here what its upstream offers and its definition selects. Every run is recorded.
 * @returns what it did; a run that could not go on is `failed`, and says why
 * @throws HeadwaterError `conflict` while another run of the same mirror goes on, and nothing is recorded
 */
export async function runMirror(
  definition: MirrorDefinition,
  workspace: MirrorParts,
  options: RunOptions,
): Promise<RunResult & { error?: unknown }> {
  // The audit log says that the mirror did it.
  const actor = { who: ownerOf(definition.name), from: 'this machine', permit: unlimited };
  const parts = {
    ...workspace,
    catalog: workspace.catalog.by(actor),
    destination: workspace.destination.by(actor),
  };
  const { mirrors } = parts.catalog;
  const lease = await HeldLease.take(mirrors, definition.name, options.times?.renewInterval);
  const startedAt = new Date();
  const report = emptyReport();
  try {
    const { id, resumes } = await mirrors.begin(definition.name, options.cause, startedAt);
    const signal = AbortSignal.any([lease.lost, ...(options.signal === undefined ? [] : [options.signal])]);
    // Every request that is under way listens to it.
    setMaxListeners(0, signal);
    let outcome: RunOutcome;
    let failure: { error?: unknown } = {};
    try {
      outcome = await new Run(definition, parts, { ...options, signal, lease, resumes }, report).go();
    } catch (error) {
      outcome = signal.aborted ? 'interrupted' : 'failed';
      failure = { error: signal.aborted && !(error instanceof HeadwaterError) ? interrupted(signal) : error };
    }
    const finishedAt = new Date();
    if (failure.error instanceof HeadwaterError) report.errorKind = failure.error.kind;
    const message = 'error' in failure ? { error: messageOf(failure.error) } : {};
    await mirrors.finish(id, { outcome, report, ...message }, finishedAt);
    return { mirror: definition.name, outcome, startedAt, finishedAt, report, ...failure };
  } finally {
    await lease.release();
  }
}

/**
 * What a run would do now. Changes nothing, and needs no lease.
 * @throws HeadwaterError as a run may fail
 */
export async function planMirror(
  definition: MirrorDefinition,
  parts: MirrorParts,
  options: Pick<RunOptions, 'force' | 'signal' | 'onRetry'> = {},
): Promise<{ plan: Plan; survey: Survey }> {
  const mark = await definitionMark(definition);
  const upstream = await openUpstream(definition, parts, options);
  try {
    const found = await surveyAndPlan(definition, parts, upstream.documents, options);
    const before = (await parts.catalog.mirrors.state(definition.name)) as MirrorState | undefined;
    if (options.force !== true) assertNotShrunk(definition, found.survey, before, mark);
    return found;
  } finally {
    await upstream.close();
  }
}

interface OwnOptions extends RunOptions {
  signal: AbortSignal;
  lease: HeldLease;
  /** It goes on where one was interrupted. */
  resumes: boolean;
}

/** One run, once it has the lease. */
class Run {
  readonly #definition: MirrorDefinition;
  readonly #parts: MirrorParts;
  readonly #options: OwnOptions;
  readonly #report: RunReport;
  readonly #owner: string;

  constructor(definition: MirrorDefinition, parts: MirrorParts, options: OwnOptions, report: RunReport) {
    this.#definition = definition;
    this.#parts = parts;
    this.#options = options;
    this.#report = report;
    this.#owner = ownerOf(definition.name);
  }

  async go(): Promise<RunOutcome> {
    const definition = this.#definition;
    const mark = await definitionMark(definition);
    const before = (await this.#parts.catalog.mirrors.state(definition.name)) as MirrorState | undefined;
    const upstream = await openUpstream(definition, this.#parts, {
      ...this.#options,
      ...this.#options.times,
      mayBeStored: this.#options.resumes,
    });
    try {
      const known = before?.definition === mark && this.#options.force !== true ? before.documents : [];
      if (!(await upstream.documents.haveChanged(known))) {
        await this.#retireAged();
        return 'unchanged';
      }
      return await this.#follow(upstream, before, mark);
    } finally {
      this.#report.fetched = upstream.downloads.received;
      await upstream.close();
    }
  }

  async #follow(upstream: OpenUpstream, before: MirrorState | undefined, mark: string): Promise<RunOutcome> {
    const { catalog } = this.#parts;
    const { name } = this.#definition;
    const { force = false, lease } = this.#options;
    const report = this.#report;
    const { survey, plan, terms } = await surveyAndPlan(this.#definition, this.#parts, upstream.documents, {
      force,
    });
    if (!force) assertNotShrunk(this.#definition, survey, before, mark);
    report.warnings = [...survey.warnings];
    report.skipped = [...survey.skipped, ...plan.skipped];
    report.stored = plan.stored;
    this.#options.onPlan?.(plan);
    await lease.assertHeld();
    // From here on the documents that were known are no longer all there is to do.
    if (before !== undefined) await catalog.mirrors.setState(name, { ...before, documents: [] });

    if (plan.move.length > 0) await catalog.products.move(this.#owner, this.#definition.stream);
    await this.#add(plan, upstream);
    const stored = await storedDigests(this.#parts, { force });
    const followed = await followUpstream(catalog, this.#owner, survey.offered, {
      terms,
      before,
      isStored: (digest) => stored.has(digest),
      assertMay: () => lease.assertHeld(),
    });
    report.retired = followed.retired;
    report.kept = followed.kept - report.added;
    report.aliases = followed.aliases;
    const done = report.failures === 0;
    const state: MirrorState = {
      definition: mark,
      documents: done && survey.complete ? upstream.documents.known : [],
      // What the next run is compared with.
      totals: survey.whole ? survey.totals : (before?.totals ?? survey.totals),
      selected: survey.whole ? survey.selected : (before?.selected ?? survey.selected),
      aliases: followed.given,
    };
    await lease.assertHeld();
    await catalog.mirrors.setState(name, state);
    // What cannot be used is counted; what is to come is waited for.
    return done && survey.current && survey.named ? 'success' : 'partial';
  }

  async #add(plan: Plan, upstream: OpenUpstream): Promise<void> {
    const { destination, catalog } = this.#parts;
    const { stream, mode, name, concurrency } = this.#definition;
    const { signal, progress } = this.#options;
    const owner = this.#owner;
    if (plan.add.length === 0) return;
    // What publishing needs takes longer to load than a run takes that has nothing to publish.
    const { fetchAndPublish } = await import('./fetch-and-publish.ts');
    const parts = { downloads: upstream.downloads, destination, owner, stream };
    const onWarning = (warning: string) => addWarning(this.#report, warning);
    const options = { signal, onWarning, ...defined({ progress }) };
    const listing = { catalog, mirror: name, owner, stream };
    await addVersions(
      inBatches(plan.add, ({ files, fetch }) => {
        if (mode === 'on-demand') return 0;
        return files.every(isSmall) ? fetch : undefined;
      }),
      async (versions) =>
        mode === 'scheduled'
          ? await fetchAndPublish(versions, parts, options)
          : await Promise.all(versions.map((planned) => outcomeOf(() => publishListed(planned, listing)))),
      this.#report,
      { parallel: concurrency + moreAtOnce, signal },
    );
  }

  /** Versions grow old without the upstream's doing. */
  async #retireAged(): Promise<void> {
    const { catalog } = this.#parts;
    const { keep } = this.#definition;
    if (keep.age === undefined) return;
    for await (const { name, versions } of catalog.products.each({ owner: this.#owner })) {
      const held = new Set(versions.map(({ serial }) => serial));
      // What is still offered is not known, so the newest stays.
      const offered = new Set([...held].sort().slice(-1));
      const terms = { keep, now: new Date(), whole: false };
      for (const serial of retiredSerials({ offered, held, stored: held }, terms)) {
        await this.#options.lease.assertHeld();
        await catalog.versions.remove(name, serial);
        this.#report.retired += 1;
      }
    }
  }
}

function interrupted(signal: AbortSignal): HeadwaterError {
  if (signal.reason instanceof HeadwaterError) return signal.reason;
  return new HeadwaterError(
    'aborted',
    'interrupted: what was fetched is kept, and the next run goes on from there',
  );
}
