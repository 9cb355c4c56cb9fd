import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { kinds } from './kinds.ts';
import { Random } from './random.ts';
import { add, readState, writeState } from './state.ts';
import { stopServices } from './store-events.ts';
import { groupSize, runGroup } from './trial.ts';

const help = `npm run torture -- [options]

Kills Headwater at random moments, and does worse to it, while it works; then starts it again and checks that nothing that
was acknowledged is lost and that nothing is half done.

  --trials N      how many trials, in groups of ${groupSize} that share a data directory (default: 50)
  --seed S        the first trial (default: the one after the last of the run before); the same seed is the same trial
  --kinds A,B     only these kinds of: ${Object.keys(kinds).join(', ')}
  --state DIR     where the sums of all runs are kept (default: headwater-torture in the system's temporary directory)
`;

const { values } = parseArgs({
  options: {
    trials: { type: 'string', default: '50' },
    seed: { type: 'string' },
    kinds: { type: 'string', default: Object.keys(kinds).join(',') },
    state: { type: 'string', default: join(tmpdir(), 'headwater-torture') },
    help: { type: 'boolean', default: false },
  },
});

process.exitCode = values.help ? showHelp() : await main().finally(stopServices);

function showHelp(): number {
  console.log(help);
  return 0;
}

async function main(): Promise<number> {
  const names = possible(values.kinds.split(','));
  const state = await readState(values.state);
  const given = values.seed === undefined ? state.next : Number(values.seed);
  const first = given - (given % groupSize);
  const trials = Number(values.trials);
  if (!Number.isSafeInteger(first) || !Number.isSafeInteger(trials) || names.length === 0) {
    console.error(help);
    return 2;
  }
  let failures = 0;
  for (let seed = first; seed < first + trials; seed += groupSize) {
    const name = new Random(seed).pick(names);
    const kind = kinds[name];
    if (kind === undefined) throw new Error(`there is no kind ${name}`);
    const result = await runGroup(
      kind,
      Array.from({ length: groupSize }, (_, index) => seed + index),
    );
    add(state, name, result);
    state.next = Math.max(state.next, seed + groupSize);
    await writeState(values.state, state);
    const { trials: done, tally, failure } = result;
    console.log(`${seed}: ${name}: ${done} trials, ${tally.kills} kills, ${tally.acknowledged} acknowledged`);
    if (failure === undefined) continue;
    failures++;
    console.error(
      `FAILED in trial ${failure.seed}: ${failure.problem}\n  files: ${failure.directory}\n` +
        `  again: npm run torture -- --seed ${seed} --trials ${groupSize} --kinds ${name}`,
    );
  }
  console.table(state.kinds);
  console.log(`sums of all runs: ${join(values.state, 'state.json')}`);
  return failures === 0 ? 0 : 1;
}

/** The kinds asked for that this machine can try. */
function possible(wanted: readonly string[]): string[] {
  return wanted.filter((name) => {
    const kind = kinds[name];
    if (kind === undefined)
      throw new Error(`there is no kind ${name}: use some of ${Object.keys(kinds).join(', ')}`);
    const reason = kind.unavailable?.();
    if (reason !== undefined) console.warn(`${name} is left out: ${reason}`);
    return reason === undefined;
  });
}
