import { expect, test } from 'vitest';
import { kinds } from './kinds.ts';
import { groupSize, runGroup } from './trial.ts';

/** How many processes are killed. `npm run torture` does the same for as long as one likes. */
const kills = 50;

test('nothing that was acknowledged is lost, and nothing is half done, when processes are killed', async () => {
  const { kill } = kinds;
  if (kill === undefined) throw new Error('there is no kind "kill"');
  let killed = 0;
  for (let seed = 1_000_000; killed < kills; seed += groupSize) {
    const seeds = Array.from({ length: groupSize }, (_, index) => seed + index);
    const { failure, tally } = await runGroup(kill, seeds);
    expect(failure).toBeUndefined();
    killed += tally.kills;
  }
}, 300_000);
