import { openStream } from '../bundle/import/bundle-source.ts';
import type { RunRecord } from '../catalog/mirrors/mirror-run-rows.ts';
import type { MirrorDefinition } from '../config/mirror-schema.ts';
import { type AnyDefinition, isSite } from '../config/sites/any-definition.ts';
import type { SiteMirror } from '../config/sites/site-mirror-schema.ts';
import { HeadwaterError } from '../errors.ts';
import { anyStatus } from './any-status.ts';
import type { MirrorServices } from './mirror-services.ts';
import { type OrphanedMirror, orphanedMirrors } from './run/orphans.ts';
import type { RunResult } from './run/report.ts';
import { runMirror } from './run/run.ts';
import type { Cause, RunOptions } from './run/run-options.ts';
import { Schedule } from './schedule.ts';
import { type ImportOptions, importBundle } from './site/import.ts';
import { needsBundle } from './site/needs-bundle.ts';
import { siteSignature } from './site/site-signature.ts';
import { type MirrorStatus, mirrorStatus } from './status.ts';

/** Called about runs of mirrors. */
export interface MirrorHooks {
  onFinished(result: RunResult & { error?: unknown }, cause: Cause | 'bundle'): void;
  /** A run did not start: another process runs the mirror, or the catalog cannot be written. */
  onNotStarted(mirror: string, error: unknown): void;
  /** At the start: a mirror has versions in the catalog, and no definition. */
  onOrphaned(orphan: OrphanedMirror): void;
}

/** The settings of imports: the name of this site, and the free space of the store. */
type ImportSettings = Pick<ImportOptions, 'ownSite' | 'freeSpace'>;

/** The options of a run on request. */
type RequestOptions = Pick<RunOptions, 'force' | 'requestedBy'>;

/** The mirrors of a running server: runs them on schedule or on request. */
export class MirrorService {
  readonly #definitions: ReadonlyMap<string, AnyDefinition>;
  readonly #services: MirrorServices;
  readonly #hooks: MirrorHooks;
  readonly #imports: ImportSettings;
  readonly #schedules = new Map<string, Schedule>();
  readonly #runs = new Map<string, Promise<void>>();
  readonly #stopping = new AbortController();

  constructor(
    definitions: AnyDefinition[],
    services: MirrorServices,
    hooks: MirrorHooks,
    imports: ImportSettings = {},
  ) {
    this.#definitions = new Map(definitions.map((definition) => [definition.name, definition]));
    this.#services = services;
    this.#hooks = hooks;
    this.#imports = imports;
  }

  /** Starts the schedules of the enabled mirrors, and the runs that were missed while no server ran. */
  async start(): Promise<void> {
    for (const orphan of await orphanedMirrors(this.#definitions.values(), this.#services)) {
      this.#hooks.onOrphaned(orphan);
    }
    const { mirrors } = this.#services.catalog;
    for (const definition of this.#definitions.values()) {
      if (isSite(definition)) continue;
      const { name, enabled, schedule } = definition;
      if (!enabled || schedule === undefined) continue;
      const due = await mirrors.nextRun(name);
      const [last] = await mirrors.runs(name, 1);
      // A mirror that never ran, or whose last run was interrupted, is due.
      const missed =
        last === undefined ||
        last.finishedAt === undefined ||
        last.outcome === 'interrupted' ||
        (due !== undefined && due <= new Date());
      // Before the schedule starts, which may be due at any moment.
      if (missed) void this.#launch(definition, 'catch-up');
      this.#schedules.set(
        name,
        new Schedule({ ...definition, schedule }, () => this.#launch(definition, 'schedule')),
      );
      await this.#noteNext(name);
    }
  }

  /** Stops the schedules and the runs; the next runs resume. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const schedule of this.#schedules.values()) await schedule.stop();
    await Promise.all(this.#runs.values());
  }

  async statuses(): Promise<MirrorStatus[]> {
    const { catalog } = this.#services;
    return await Promise.all(
      [...this.#definitions.values()].map((definition) => anyStatus(definition, catalog)),
    );
  }

  /** @throws HeadwaterError `not-found` */
  async status(name: string): Promise<MirrorStatus & { runs: RunRecord[] }> {
    const definition = this.#find(name);
    const { catalog } = this.#services;
    return { ...(await anyStatus(definition, catalog)), runs: await catalog.mirrors.runs(name, 20) };
  }

  /**
   * Starts a run without waiting for its end.
   * @throws HeadwaterError `not-found`; `conflict` when the mirror is running or disabled, or needs a bundle
   */
  async begin(name: string, options: RequestOptions = {}): Promise<void> {
    const definition = this.#find(name);
    if (isSite(definition)) throw needsBundle(definition);
    if (!definition.enabled) throw notEnabled(definition);
    const { running } = await mirrorStatus(definition, this.#services.catalog.mirrors);
    if (running || this.#runs.has(name)) {
      throw new HeadwaterError('conflict', `mirror ${name} is running already`);
    }
    void this.#launch(definition, 'manual', options);
  }

  /**
   * Imports a bundle that arrives as a stream.
   * @param source its bytes
   * @throws HeadwaterError `not-found`; `conflict` when the mirror is running or disabled, or downloads from an upstream; `invalid`
   * when the stream is no bundle of the site; the error of a run that could not continue
   */
  async importBundle(
    name: string,
    source: AsyncIterable<Uint8Array>,
    options: RequestOptions = {},
  ): Promise<RunResult> {
    const definition = this.#find(name);
    if (!isSite(definition)) {
      throw new HeadwaterError(
        'conflict',
        `mirror ${name} downloads from ${definition.url}: only mirrors with "site" in their definition take bundles`,
      );
    }
    if (!definition.enabled) throw notEnabled(definition);
    if (this.#runs.has(name)) throw new HeadwaterError('conflict', `mirror ${name} is running already`);
    const run = this.#import(definition, source, options);
    const ended = run.then(
      () => undefined,
      () => undefined,
    );
    this.#runs.set(name, ended);
    void ended.finally(() => this.#runs.delete(name));
    return await run;
  }

  async #import(
    definition: SiteMirror,
    source: AsyncIterable<Uint8Array>,
    options: RequestOptions,
  ): Promise<RunResult> {
    const check = await siteSignature(definition);
    const bundle = await openStream(source, `the bundle for mirror ${definition.name}`, check);
    try {
      const { signal } = this.#stopping;
      const result = await importBundle(definition, bundle, this.#services, {
        ...this.#imports,
        ...options,
        signal,
      });
      this.#hooks.onFinished(result, 'bundle');
      const { error, ...rest } = result;
      if (error !== undefined) throw error;
      return rest;
    } finally {
      await bundle.close();
    }
  }

  #find(name: string): AnyDefinition {
    const definition = this.#definitions.get(name);
    if (definition === undefined) throw new HeadwaterError('not-found', `there is no mirror ${name}`);
    return definition;
  }

  /** Runs a mirror, and reports the result to the hooks. */
  async #launch(definition: MirrorDefinition, cause: Cause, options: RequestOptions = {}): Promise<void> {
    const { name } = definition;
    if (this.#stopping.signal.aborted || this.#runs.has(name)) return;
    const run = (async () => {
      let tell: () => void;
      try {
        const { signal } = this.#stopping;
        const result = await runMirror(definition, this.#services, { ...options, cause, signal });
        tell = () => this.#hooks.onFinished(result, cause);
      } catch (error) {
        tell = () => this.#hooks.onNotStarted(name, error);
      }
      await this.#noteNext(name).catch((error: unknown) => this.#hooks.onNotStarted(name, error));
      // Last: a hook may start the next run.
      tell();
    })();
    this.#runs.set(name, run);
    await run.finally(() => this.#runs.delete(name));
  }

  async #noteNext(name: string): Promise<void> {
    await this.#services.catalog.mirrors.setNextRun(name, this.#schedules.get(name)?.next());
  }
}

function notEnabled({ name, file }: AnyDefinition): HeadwaterError {
  return new HeadwaterError('conflict', `mirror ${name} is not enabled: set "enabled: true" in ${file}`);
}
