import { setTimeout as after } from 'node:timers/promises';
import type { RunRecord } from '../../catalog/mirrors/mirror-run-rows.ts';
import { HeadwaterError } from '../../errors.ts';
import { emptyReport, type RunReport, type RunResult } from '../../mirror/run/report.ts';
import type { MirrorStatus } from '../../mirror/status.ts';
import { ApiClient, type ApiTarget } from './api-client.ts';
import { ConnectionError } from './api-errors.ts';

/** Between looks at a run, in milliseconds: the first, and the most to which it grows. */
const looks = { first: 100, most: 2000 };
/** A server that cannot be reached may come back, in milliseconds: the run may go on meanwhile. */
const connectionPatience = 15_000;
/** How often a run may be seen neither going on nor ended before it is given up. */
const idleLooks = 5;

/** As JSON has it: dates are text. */
type PlainRun = Omit<RunRecord, 'startedAt' | 'finishedAt' | 'report'> & {
  startedAt: string;
  finishedAt?: string;
  report?: RunReport;
};
type PlainStatus = Omit<MirrorStatus, 'nextRun' | 'lastSuccess' | 'lastRun'> & {
  nextRun?: string;
  lastSuccess?: string;
  lastRun?: PlainRun;
};

/** The mirrors of a server, through its HTTP API. */
export class RemoteMirrors {
  readonly #client: ApiClient;

  private constructor(client: ApiClient) {
    this.#client = client;
  }

  /** Opens a connection, does the work and closes it. */
  static async with<Result>(
    target: ApiTarget,
    work: (mirrors: RemoteMirrors) => Promise<Result>,
  ): Promise<Result> {
    const client = await ApiClient.open(target);
    try {
      return await work(new RemoteMirrors(client));
    } finally {
      await client.close();
    }
  }

  async statuses(): Promise<MirrorStatus[]> {
    const { mirrors } = await this.#client.json<{ mirrors: PlainStatus[] }>({
      method: 'GET',
      path: 'mirrors',
    });
    return mirrors.map(toStatus);
  }

  /** @throws HeadwaterError `not-found` */
  async status(name: string): Promise<MirrorStatus> {
    const { runs: _, ...status } = await this.#look(name);
    return toStatus(status);
  }

  /**
   * The names of the mirrors that are meant: the one named, or all that are enabled.
   * @throws HeadwaterError `not-found` when none is
   */
  async choose(name: string | undefined): Promise<string[]> {
    if (name !== undefined) return [name];
    const enabled = (await this.statuses()).filter((status) => status.enabled);
    if (enabled.length > 0) return enabled.map((status) => status.name);
    throw new HeadwaterError('not-found', `${this.#client.server}: no mirror is enabled: name one`);
  }

  /**
   * Starts a run and waits for its end.
   * @param options.signal ends the waiting; the run goes on
   * @throws HeadwaterError `not-found`; `conflict` while another run goes on; `aborted` by the signal
   */
  async run(
    name: string,
    options: { force: boolean; signal: AbortSignal },
  ): Promise<RunResult & { error?: unknown }> {
    const { force, signal } = options;
    const [newest] = (await this.#look(name)).runs;
    await this.#client.json({
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
        `mirror ${name} goes on running on ${this.#client.server}: "headwater mirror status ${name}" with the same --server shows how it is doing`,
        { cause: error },
      );
    }
  }

  /** The first run that began after another, once it has ended. */
  async #ended(name: string, before: number, signal: AbortSignal): Promise<PlainRun> {
    let idle = 0;
    let reached = performance.now();
    for (let delay = looks.first; ; delay = Math.min(looks.most, delay * 2)) {
      await after(delay, undefined, { signal });
      try {
        const { runs, running } = await this.#look(name);
        reached = performance.now();
        const run = runs.filter(({ id }) => id > before).at(-1);
        if (run?.finishedAt !== undefined) return run;
        idle = running ? 0 : idle + 1;
        if (idle >= idleLooks) throw this.#lost(name, run);
      } catch (error) {
        const mayPass = error instanceof ConnectionError && error.transient;
        if (!mayPass || performance.now() - reached > connectionPatience) throw error;
      }
    }
  }

  #lost(name: string, run: PlainRun | undefined): HeadwaterError {
    const what = run === undefined ? 'its run did not begin' : 'its run was cut off';
    return new HeadwaterError(
      'unavailable',
      `mirror ${name}: ${what}: the log of ${this.#client.server} says why`,
    );
  }

  async #look(name: string): Promise<PlainStatus & { runs: PlainRun[] }> {
    return await this.#client.json({ method: 'GET', path: `mirrors/${encodeURIComponent(name)}` });
  }
}

function toStatus({ nextRun, lastSuccess, lastRun, ...rest }: PlainStatus): MirrorStatus {
  return {
    ...rest,
    ...(nextRun === undefined ? {} : { nextRun: new Date(nextRun) }),
    ...(lastRun === undefined ? {} : { lastRun: toRun(lastRun) }),
    ...(lastSuccess === undefined ? {} : { lastSuccess: new Date(lastSuccess) }),
  };
}

function toRun({ startedAt, finishedAt, ...rest }: PlainRun): NonNullable<MirrorStatus['lastRun']> {
  return {
    ...rest,
    startedAt: new Date(startedAt),
    ...(finishedAt === undefined ? {} : { finishedAt: new Date(finishedAt) }),
  };
}

/** What the run would have been here. */
function toResult({ mirror, startedAt, finishedAt, ...run }: PlainRun): RunResult & { error?: unknown } {
  const { outcome = 'interrupted', report = emptyReport(), error } = run;
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
