import type { Actor } from '../../catalog/database/audit-record.ts';
import type { HeldLease } from '../../catalog/held-lease.ts';
import type { RunOutcome } from '../../catalog/mirrors/mirror-run-rows.ts';
import { ownerOf } from '../../catalog/products/ownership.ts';
import type { MirrorDefinition } from '../../config/mirror-schema.ts';
import { defined } from '../../model/defined.ts';
import { RunEvidence } from '../evidence/run-evidence.ts';
import { acceptedDocuments } from '../guard/accepted-documents.ts';
import { recordAccepted } from '../guard/record-accepted.ts';
import { ageWarnings } from '../guard/upstream-age.ts';
import type { MirrorServices } from '../mirror-services.ts';
import type { Plan } from '../plan/plan.ts';
import { recordedRun } from '../recorded-run.ts';
import { addPlanned } from './add-planned.ts';
import { assertNotShrunk } from './assert-not-shrunk.ts';
import { storedDigests } from './held.ts';
import { type OpenUpstream, openUpstream } from './open-upstream.ts';
import { readAndPlan, UpstreamBehind, type UpstreamOffer } from './read-upstream.ts';
import { reconcile } from './reconcile.ts';
import type { RunReport, RunResult } from './report.ts';
import { retireAged } from './retire-aged.ts';
import type { RunOptions } from './run-options.ts';
import { definitionMark, type MirrorState, mirrorState, selectionMark } from './state.ts';

/**
 * Runs a mirror: downloads and publishes the selected versions of its upstream. Every run is recorded.
 * @returns what it did; a run that could not continue is `failed`, with the error
 * @throws HeadwaterError `conflict` during another run of the same mirror; nothing is recorded
 */
export async function runMirror(
  definition: MirrorDefinition,
  workspace: MirrorServices,
  options: RunOptions,
): Promise<RunResult & { error?: unknown }> {
  const { renewInterval } = options.times ?? {};
  return await recordedRun(
    definition.name,
    workspace,
    { ...options, ...defined({ renewInterval }) },
    async ({ services, report, ...run }) => {
      const outcome = await new Run(definition, services, { ...options, ...run }, report).go();
      const accepted = await services.catalog.mirrors.accepted(definition.name, acceptedDocuments);
      report.warnings.push(...ageWarnings(definition, accepted));
      return outcome;
    },
  );
}

/**
 * Plans a run. Changes nothing, and needs no lease.
 * @throws HeadwaterError as a run
 */
export async function planMirror(
  definition: MirrorDefinition,
  services: MirrorServices,
  options: Pick<RunOptions, 'force' | 'signal' | 'onRetry'> = {},
): Promise<{ plan: Plan; offer: UpstreamOffer }> {
  const mark = await definitionMark(definition);
  const upstream = await openUpstream(definition, services, options);
  try {
    const found = await readAndPlan(definition, services, upstream.documents, options);
    const before = await services.catalog.mirrors.state(definition.name, mirrorState);
    if (options.force !== true) assertNotShrunk(definition, found.offer, before, mark);
    return found;
  } finally {
    await upstream.close();
  }
}

interface OwnOptions extends RunOptions {
  signal: AbortSignal;
  lease: HeldLease;
  /** It continues an interrupted run. */
  resumes: boolean;
  /** The mirror itself. */
  actor: Actor;
}

/** One run that has the lease. */
class Run {
  readonly #definition: MirrorDefinition;
  readonly #services: MirrorServices;
  readonly #options: OwnOptions;
  readonly #report: RunReport;
  readonly #owner: string;

  constructor(
    definition: MirrorDefinition,
    services: MirrorServices,
    options: OwnOptions,
    report: RunReport,
  ) {
    this.#definition = definition;
    this.#services = services;
    this.#options = options;
    this.#report = report;
    this.#owner = ownerOf(definition.name);
  }

  async go(): Promise<RunOutcome> {
    const definition = this.#definition;
    const mark = await definitionMark(definition);
    const { catalog } = this.#services;
    const before = await catalog.mirrors.state(definition.name, mirrorState);
    // Read first: a blob that is lost from now on is fetched by the next run.
    const losses = await catalog.mirrors.losses(definition.name);
    const upstream = await openUpstream(definition, this.#services, {
      ...this.#options,
      ...this.#options.times,
      mayBeStored: this.#options.resumes,
    });
    try {
      const isSettled =
        before?.definition === mark &&
        (before.losses ?? 0) === losses &&
        !(await catalog.evidence.isLacking(this.#owner));
      const known = isSettled && this.#options.force !== true ? before.documents : [];
      if (!(await upstream.documents.haveChanged(known))) {
        this.#report.retired = await retireAged(catalog, definition, () => this.#options.lease.assertHeld());
        return 'unchanged';
      }
      return await this.#carryOut(upstream, { before, mark, losses });
    } catch (error) {
      if (!(error instanceof UpstreamBehind)) throw error;
      this.#report.warnings = [...error.problems];
      // Nothing was read: what the last run brought is all that is known to be selected.
      const isWhole = before?.selection === selectionMark(definition) && before.documents.length > 0;
      return isWhole ? 'unchanged' : 'partial';
    } finally {
      this.#report.fetched = upstream.downloads.received;
      await upstream.close();
    }
  }

  async #carryOut(
    upstream: OpenUpstream,
    { before, mark, losses }: { before: MirrorState | undefined; mark: string; losses: number },
  ): Promise<RunOutcome> {
    const { catalog } = this.#services;
    const { name, stream } = this.#definition;
    const { force = false, lease } = this.#options;
    const report = this.#report;
    const { offer, plan, terms } = await readAndPlan(this.#definition, this.#services, upstream.documents, {
      force,
      keepsDocuments: true,
    });
    if (!force) assertNotShrunk(this.#definition, offer, before, mark);
    report.warnings = [...offer.warnings];
    report.skipped = [...offer.skipped, ...plan.skipped];
    report.stored = plan.stored;
    this.#options.onPlan?.(plan);
    await lease.assertHeld();
    // From here on, older documents are not followed, and unchanged ones no longer mean that nothing is to be done.
    await recordAccepted(catalog.by(this.#options.requestedBy ?? this.#options.actor), name, offer);
    if (before !== undefined) await catalog.mirrors.setState(name, { ...before, documents: [] });

    const evidence = await RunEvidence.keep(this.#services, offer.documents, {
      mirror: name,
      owner: this.#owner,
      servedBy: upstream.servedBy,
    });
    if (plan.move.length > 0) await catalog.products.move(this.#owner, stream);
    const adding = { ...this.#services, downloads: upstream.downloads, evidence };
    await addPlanned(plan, this.#definition, adding, { ...this.#options, report });
    const stored = await storedDigests(this.#services, { force });
    const reconciled = await reconcile(catalog, { owner: this.#owner, stream }, offer.offered, {
      terms,
      before,
      isStored: (digest) => stored.has(digest),
      assertMay: () => lease.assertHeld(),
    });
    await lease.assertHeld();
    await evidence.follow();
    report.retired = reconciled.retired;
    report.kept = reconciled.kept - report.added;
    report.aliases = reconciled.aliases;
    const done = report.failures === 0;
    const state: MirrorState = {
      definition: mark,
      selection: selectionMark(this.#definition),
      losses,
      documents: done && offer.complete ? upstream.documents.known : [],
      // The next run is compared with these numbers.
      totals: offer.isComplete ? offer.totals : (before?.totals ?? offer.totals),
      selected: offer.isComplete ? offer.selected : (before?.selected ?? offer.selected),
      aliases: reconciled.given,
    };
    await lease.assertHeld();
    await catalog.mirrors.setState(name, state);
    // Unusable entries are only counted; outdated documents are waited for.
    return done && offer.current && offer.named ? 'success' : 'partial';
  }
}
