import { setTimeout as sleep } from 'node:timers/promises';
import { HeadwaterError } from '../../errors.ts';
import { mirrorAnswer, mirrorsAnswer, type runAnswer } from '../../http/api/openapi/admin-answers.ts';
import type { AnswerOf } from '../../http/api/openapi/read-answer.ts';
import { emptyReport, type RunResult } from '../../mirror/run/report.ts';
import type { MirrorStatus } from '../../mirror/status.ts';
import { defined } from '../../model/defined.ts';
import { ApiClient, type ApiTarget } from './api-client.ts';
import { ConnectionError } from './api-errors.ts';

/** Milliseconds between polls of a run: the first interval, and the longest to which it grows. */
const pollInterval = { first: 100, longest: 2000 };

/** After so many polls in a row that show the run neither running nor ended, it counts as lost. */
const maxIdlePolls = 5;

/** How long a server may be unreachable during a run, in milliseconds: the run may continue meanwhile. */
const defaultReconnectTimeout = 15_000;

type Run = AnswerOf<typeof runAnswer>;

/** The mirrors of a server, through its HTTP API. */
export class RemoteMirrors {
  readonly #client: ApiClient;
  readonly #reconnectTimeout: number;

  private constructor(client: ApiClient, reconnectTimeout: number) {
    this.#client = client;
    this.#reconnectTimeout = reconnectTimeout;
  }

  /**
   * Opens a connection, does the work and closes it.
   * @param options.reconnectTimeout milliseconds for which the server may be unreachable during a run
   */
  static async with<Result>(
    target: ApiTarget,
    work: (mirrors: RemoteMirrors) => Promise<Result>,
    { reconnectTimeout = defaultReconnectTimeout }: { reconnectTimeout?: number } = {},
  ): Promise<Result> {
    return await ApiClient.with(target, (client) => work(new RemoteMirrors(client, reconnectTimeout)));
  }

  async statuses(): Promise<MirrorStatus[]> {
    const { mirrors } = await this.#client.json({ method: 'GET', path: 'mirrors' }, mirrorsAnswer);
    return mirrors.map(toStatus);
  }

  /** @throws HeadwaterError `not-found` */
  async status(name: string): Promise<MirrorStatus> {
    const { runs: _, ...status } = await this.#look(name);
    return toStatus(status);
  }

  /**
   * The names of the chosen mirrors: the given one, or all enabled ones.
   * @throws HeadwaterError `not-found` when there is none
   */
  async choose(name: string | undefined): Promise<string[]> {
    if (name !== undefined) return [name];
    const enabled = (await this.statuses()).filter((status) => status.enabled && status.site === undefined);
    if (enabled.length > 0) return enabled.map((status) => status.name);
    throw new HeadwaterError('not-found', `no mirror is enabled on ${this.#client.server}: name one`);
  }

  /**
   * Starts a run and waits for its end.
   * @param options.signal ends the waiting; the run continues
   * @throws HeadwaterError `not-found`; `conflict` during another run; `aborted` by the signal
   */
  async run(
    name: string,
    options: { force: boolean; signal: AbortSignal },
  ): Promise<RunResult & { error?: unknown }> {
    const { force, signal } = options;
    const [newest] = (await this.#look(name)).runs;
    await this.#client.succeed({
      method: 'POST',
      path: `mirrors/${encodeURIComponent(name)}/runs`,
      body: { force },
    });
    try {
      return toResult(await this.#ended(name, newest?.id ?? 0, signal));
    } catch (error) {
      if (!signal.aborted) throw error;
      throw new HeadwaterError(
        'aborted',
        `the run of mirror ${name} continues on ${this.#client.server}. To follow it, run "headwater mirror status ${name}" with the same --server`,
        { cause: error },
      );
    }
  }

  /** Waits for the first run after `before` to end. */
  async #ended(name: string, before: number, signal: AbortSignal): Promise<Run> {
    let idle = 0;
    let reached = performance.now();
    const { first, longest } = pollInterval;
    for (let delay = first; ; delay = Math.min(longest, delay * 2)) {
      await sleep(delay, undefined, { signal });
      try {
        const { runs, running } = await this.#look(name);
        reached = performance.now();
        const run = runs.filter(({ id }) => id > before).at(-1);
        if (run?.finishedAt !== undefined) return run;
        idle = running ? 0 : idle + 1;
        if (idle >= maxIdlePolls) throw this.#lost(name, run);
      } catch (error) {
        const mayPass = error instanceof ConnectionError && error.transient;
        if (!mayPass || performance.now() - reached > this.#reconnectTimeout) throw error;
      }
    }
  }

  #lost(name: string, run: Run | undefined): HeadwaterError {
    const what = run === undefined ? 'its run did not begin' : 'its run was cut off';
    return new HeadwaterError(
      'unavailable',
      `mirror ${name}: ${what}. The log of ${this.#client.server} gives the reason`,
    );
  }

  async #look(name: string): Promise<AnswerOf<typeof mirrorAnswer>> {
    const path = `mirrors/${encodeURIComponent(name)}`;
    return await this.#client.json({ method: 'GET', path }, mirrorAnswer);
  }
}

function toStatus(status: AnswerOf<typeof mirrorsAnswer>['mirrors'][number]): MirrorStatus {
  const { nextRun, lastSuccess, upstreamUpdated, lastRun, bundle, ...rest } = status;
  const date = (text: string | undefined) => (text === undefined ? undefined : new Date(text));
  return {
    ...rest,
    ...(lastRun === undefined ? {} : { lastRun: toRun(lastRun) }),
    ...(bundle === undefined ? {} : { bundle: { ...bundle, created: new Date(bundle.created) } }),
    ...defined({
      nextRun: date(nextRun),
      lastSuccess: date(lastSuccess),
      upstreamUpdated: date(upstreamUpdated),
    }),
  };
}

function toRun({ startedAt, finishedAt, ...rest }: Run): NonNullable<MirrorStatus['lastRun']> {
  return {
    ...rest,
    startedAt: new Date(startedAt),
    ...(finishedAt === undefined ? {} : { finishedAt: new Date(finishedAt) }),
  };
}

/** The result as a run on this machine would have returned it. */
function toResult({ mirror, startedAt, finishedAt, ...run }: Run): RunResult & { error?: unknown } {
  const { outcome = 'interrupted', error } = run;
  const report = { ...emptyReport(), ...run.report };
  const kind = report.errorKind ?? (outcome === 'interrupted' ? 'aborted' : 'unavailable');
  return {
    mirror,
    outcome,
    startedAt: new Date(startedAt),
    finishedAt: new Date(finishedAt ?? startedAt),
    report,
    ...(error === undefined ? {} : { error: new HeadwaterError(kind, error) }),
  };
}
