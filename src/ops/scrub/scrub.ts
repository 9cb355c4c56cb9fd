import { BackgroundTasks } from '../../async/background-tasks.ts';
import { ExpiringMap } from '../../async/expiring-map.ts';
import type { Actor } from '../../catalog/database/audit-record.ts';
import { HeldLease } from '../../catalog/held-lease.ts';
import type { ScrubRound, ScrubState } from '../../catalog/storage/scrubs.ts';
import { HeadwaterError, isKind, messageOf } from '../../errors.ts';
import type { Digest } from '../../model/digest.ts';
import { unlimited } from '../../model/rights.ts';
import type { Metrics } from '../metrics.ts';
import { ownershipOf } from '../store-owner.ts';
import type { WrongFingerprint } from '../verify/fingerprints.ts';
import { type LostBlob, repairBlob } from '../verify/verify.ts';
import type { VerifyServices } from '../verify/verify-services.ts';
import { Pace } from './pace.ts';
import { runRound } from './run-round.ts';
import { type ScrubReport, scrubReport } from './scrub-report.ts';

/** The longest time between two looks whether a scrub is due or was interrupted, in milliseconds. */
const checkInterval = 60_000;
/** The first look comes later: a server that starts has other work. */
const firstCheck = 5 * 60_000;
/** How long a blob that was just checked is not checked again on suspicion, in milliseconds; and how many wait at most. */
const suspicionInterval = 60_000;
const maxSuspects = 100;

/** Receives the findings of scrubs. */
export interface ScrubHooks {
  onLost(blob: LostBlob): void;
  onWrongFingerprint(image: WrongFingerprint): void;
  onFinished(round: ScrubRound): void;
  /** @param problem why a scrub cannot continue; undefined when it can again */
  onProblem(problem: string | undefined): void;
}

interface ScrubOptions {
  /** Milliseconds between the beginnings of two scrubs; 0 for none on schedule. */
  every: number;
  /** Bytes a second; 0 for no limit. */
  rate: number;
  /** Whether the server answers requests. */
  isBusy?: () => boolean;
  /** Why blobs may not be set aside now; undefined when they may. */
  obstacle?: () => string | undefined;
}

/**
 * Reads all stored blobs on a schedule, and sets damaged ones aside. Of several servers with one catalog, one does. A scrub
 * that was interrupted continues where it stopped, also on another server.
 */
export class Scrub {
  readonly #services: VerifyServices;
  readonly #options: Required<ScrubOptions>;
  readonly #hooks: ScrubHooks;
  readonly #stopping = new AbortController();
  readonly #work: BackgroundTasks;
  readonly #suspects = new ExpiringMap<Digest, true>(suspicionInterval, { maxEntries: maxSuspects });
  #isRunning = false;
  #timer: NodeJS.Timeout | undefined;
  /** What metrics show. */
  #shown: ScrubReport = { running: false, round: null, last: null, lost: { blobs: 0, bytes: 0 }, total: 0 };

  constructor(services: VerifyServices, options: ScrubOptions, hooks: ScrubHooks) {
    // The audit log names it.
    const actor: Actor = { who: 'scrub', from: 'this machine', permit: unlimited };
    this.#services = { ...services, catalog: services.catalog.by(actor) };
    this.#options = { isBusy: () => false, obstacle: () => undefined, ...options };
    this.#hooks = hooks;
    this.#work = new BackgroundTasks((error) => hooks.onProblem(messageOf(error)));
  }

  /** Looks regularly whether a scrub is due or was interrupted. */
  start(): void {
    const { every } = this.#options;
    this.#work.add(this.#refresh().then(() => undefined));
    const first = every === 0 ? firstCheck : Math.min(firstCheck, every);
    const next = every === 0 ? checkInterval : Math.min(checkInterval, every);
    const look = () => {
      this.#work.add(this.look());
      this.#timer = setTimeout(look, next).unref();
    };
    this.#timer = setTimeout(look, first).unref();
  }

  /** Interrupts a running scrub; the next start continues it. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#stopping.abort();
    await this.#work.done();
  }

  /** Continues an interrupted scrub, or begins one that is due, unless another server does. Resolves at its end. */
  async look(): Promise<void> {
    if (this.#isRunning || this.#stopping.signal.aborted) return;
    this.#isRunning = true;
    try {
      const { round, last } = await this.#refresh();
      if (!this.#mayRun({ round: round ?? undefined, last: last ?? undefined })) {
        this.#hooks.onProblem(undefined);
        return;
      }
      const obstacle = this.#options.obstacle();
      if (obstacle !== undefined) {
        this.#hooks.onProblem(obstacle);
        return;
      }
      const lease = await this.#lease();
      if (lease === undefined) return;
      try {
        const next = await this.#services.catalog.scrubs.begin((state) => this.#mayRun(state));
        if (next === undefined) return;
        await this.#refresh();
        await this.#run(next, lease);
      } finally {
        await lease.release();
      }
    } finally {
      this.#isRunning = false;
    }
  }

  /**
   * Begins a scrub now, without waiting for its end, unless one is not finished yet.
   * @returns the scrub that runs from now on
   * @throws HeadwaterError `conflict` when blobs may not be set aside
   */
  async begin(): Promise<ScrubRound> {
    const { catalog, store } = this.#services;
    const ownership = await ownershipOf(catalog, store);
    const obstacle = ownership.owned ? this.#options.obstacle() : ownership.message;
    if (obstacle !== undefined) throw new HeadwaterError('conflict', obstacle);
    const round = await catalog.scrubs.begin('requested');
    if (round === undefined) throw new Error('a requested scrub was not begun');
    this.#work.add(this.look());
    return round;
  }

  async report(): Promise<ScrubReport> {
    return await scrubReport(this.#services.catalog);
  }

  /** Checks a blob soon that could not be read as a whole. */
  suspect(digest: Digest): void {
    if (this.#stopping.signal.aborted || this.#suspects.get(digest) === true) return;
    if (this.#suspects.size >= maxSuspects) return;
    this.#suspects.set(digest, true);
    this.#work.add(this.mend(digest).then(() => undefined));
  }

  /**
   * Checks a blob now, and sets it aside if it is damaged.
   * @returns whether it is lost
   * @throws HeadwaterError `conflict` when blobs may not be set aside; the errors of the store
   */
  async mend(digest: Digest): Promise<boolean> {
    const obstacle = this.#options.obstacle();
    if (obstacle !== undefined) throw new HeadwaterError('conflict', obstacle);
    const lost = await repairBlob(this.#services, digest);
    if (lost === undefined) return false;
    this.#hooks.onLost(lost);
    await this.#refresh();
    return true;
  }

  /** How many blobs are damaged or missing, as far as is known. */
  get lost(): number {
    return this.#shown.lost.blobs;
  }

  showIn(metrics: Pick<Metrics, 'watch'>): void {
    metrics.watch(
      'headwater_scrub_damaged',
      'Blobs that are damaged or missing in the store, as far as scrubs and requests have found.',
      () => this.#shown.lost.blobs,
    );
    metrics.watch(
      'headwater_scrub_progress_ratio',
      'The part of the bytes that the running scrub has read, from 0 to 1; NaN while none runs.',
      () => {
        const { round, total } = this.#shown;
        if (round === null) return Number.NaN;
        return total === 0 ? 0 : Math.min(1, (round.bytes + (round.reading ?? 0)) / total);
      },
    );
    metrics.watch(
      'headwater_scrub_age_seconds',
      'Time since the beginning of the last completed scrub; NaN before the first one.',
      () => {
        const { last } = this.#shown;
        return last === null ? Number.NaN : (Date.now() - Date.parse(last.startedAt)) / 1000;
      },
    );
  }

  #mayRun({ round, last }: ScrubState): boolean {
    const { every } = this.#options;
    if (round !== undefined) return every > 0 || round.requested === true;
    return every > 0 && (last === undefined || Date.now() - Date.parse(last.startedAt) >= every);
  }

  /** @returns undefined while another server scrubs */
  async #lease(): Promise<HeldLease | undefined> {
    const messages = {
      held: 'another server scrubs the blob store',
      takenOver: 'another server took the scrub over',
    };
    try {
      return await HeldLease.take(this.#services.catalog.scrubs, messages);
    } catch (error) {
      if (isKind(error, 'conflict')) return undefined;
      throw error;
    }
  }

  async #run(from: ScrubRound, lease: HeldLease): Promise<void> {
    const { rate, isBusy } = this.#options;
    const options = { lease, stopping: this.#stopping.signal, pace: new Pace(rate, isBusy) };
    const onSaved = async () => void (await this.#refresh());
    const ended = await runRound(this.#services, from, options, { ...this.#hooks, onSaved });
    if (ended === undefined) return;
    this.#hooks.onProblem(ended.problem);
    if (ended.finishedAt !== undefined) this.#hooks.onFinished(ended);
  }

  async #refresh(): Promise<ScrubReport> {
    this.#shown = await scrubReport(this.#services.catalog);
    return this.#shown;
  }
}
