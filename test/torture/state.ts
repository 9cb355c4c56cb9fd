import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import type { GroupResult } from './trial.ts';

const sums = z.object({
  trials: z.number(),
  kills: z.number(),
  acknowledged: z.number(),
  refused: z.number(),
  unanswered: z.number(),
  failures: z.number(),
});

const stateSchema = z.object({
  /** The seed of the next trial. */
  next: z.number(),
  kinds: z.record(z.string(), sums),
  failures: z.array(
    z.object({ seed: z.number(), kind: z.string(), problem: z.string(), directory: z.string() }),
  ),
});

/** What all runs have found so far. */
export type State = z.output<typeof stateSchema>;

/** Reads what earlier runs have left; nothing when there was none. */
export async function readState(directory: string): Promise<State> {
  const text = await readFile(join(directory, 'state.json'), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  return text === undefined ? { next: 0, kinds: {}, failures: [] } : stateSchema.parse(JSON.parse(text));
}

export async function writeState(directory: string, state: State): Promise<void> {
  await mkdir(directory, { recursive: true });
  const file = join(directory, 'state.json');
  await writeFile(`${file}.new`, `${JSON.stringify(state, undefined, 2)}\n`);
  await rename(`${file}.new`, file);
}

/** Adds the result of a group. */
export function add(state: State, kind: string, { trials, tally, failure }: GroupResult): void {
  const sum = state.kinds[kind] ?? {
    trials: 0,
    kills: 0,
    acknowledged: 0,
    refused: 0,
    unanswered: 0,
    failures: 0,
  };
  sum.trials += trials;
  sum.kills += tally.kills;
  sum.acknowledged += tally.acknowledged;
  sum.refused += tally.refused;
  sum.unanswered += tally.unanswered;
  if (failure !== undefined) {
    sum.failures++;
    state.failures.push({ kind, ...failure });
  }
  state.kinds[kind] = sum;
}
