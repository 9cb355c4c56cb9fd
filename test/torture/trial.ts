import { setTimeout as sleep } from 'node:timers/promises';
import { check } from './check.ts';
import { work } from './operations.ts';
import { Random } from './random.ts';
import { Site, type SiteOptions, type Tally } from './site.ts';

/** How many trials share a data directory, one after the other: the next starts with what the last one left. */
export const groupSize = 5;

/** A kind of trial: what happens to a Headwater at work. */
export interface Kind {
  /** Why it cannot be tried on this machine; undefined when it can. */
  unavailable?: () => string | undefined;
  /** Makes what the trials of a group need beside a directory. */
  prepare?: (random: Random) => Promise<{ options: SiteOptions; undo?: () => Promise<void> }>;
  /** The event. The server runs when it begins, and must not when it ends. */
  event: (site: Site, random: Random) => Promise<void>;
}

/** How a group of trials went. */
export interface GroupResult {
  trials: number;
  tally: Tally;
  failure?: { seed: number; problem: string; directory: string };
}

/**
 * Does trials on one data directory. After each, a server is started again and everything is checked.
 * @param seeds of the trials, in order: the same ones always do the same, as far as the moments allow
 */
export async function runGroup(kind: Kind, seeds: readonly number[]): Promise<GroupResult> {
  const [first = 0] = seeds;
  const random = new Random(first);
  const place = await kind.prepare?.(random);
  const site = await Site.create(random, place?.options);
  let trials = 0;
  let failed = true;
  try {
    await site.start();
    for (const seed of seeds) {
      try {
        await runTrial(kind, site, new Random(seed));
        trials++;
      } catch (error) {
        const problem = error instanceof Error ? (error.stack ?? error.message) : String(error);
        return { trials, tally: site.tally, failure: { seed, problem, directory: site.directory } };
      }
    }
    failed = false;
    return { trials, tally: site.tally };
  } finally {
    await site.remove({ keep: failed });
    if (!failed) await place?.undo?.();
  }
}

async function runTrial(kind: Kind, site: Site, random: Random): Promise<void> {
  await kind.event(site, random);
  await site.commandsEnded();
  await site.start();
  await check(site, random);
}

/** Lets several workers use the server until an event is over. */
export async function underLoad(site: Site, random: Random, event: () => Promise<void>): Promise<void> {
  const stopped = new AbortController();
  const workers = Array.from({ length: 4 }, () => work(site, random.fork(), stopped.signal));
  try {
    await sleep(random.whole(50, 2500));
    stopped.abort();
    await event();
  } finally {
    stopped.abort();
    site.killRemoteCommands();
    await Promise.all(workers);
  }
}
