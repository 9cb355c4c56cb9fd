import { describe, expect, test } from 'vitest';
import { rootIsMissing } from '../support/needs.ts';
import { compilerIsMissing, kinds } from './kinds.ts';
import { groupSize, runGroup } from './trial.ts';

/** How many processes are killed. `npm run torture` does the same for as long as one likes. */
const kills = 50;

describe('nothing that was acknowledged is lost, and nothing is half done', () => {
  test('when processes are killed', async () => {
    let killed = 0;
    for (let seed = 1_000_000; killed < kills; seed += groupSize) {
      killed += await tryKind('kill', seed, groupSize);
    }
  }, 300_000);

  test.skipIf(compilerIsMissing()).each(['power-strict', 'power-journal'])(
    'when the power fails: %s',
    async (name) => void (await tryKind(name, 2_000_000, 3)),
    300_000,
  );

  test.skipIf(rootIsMissing())(
    'when the disk is full',
    async () => void (await tryKind('full-disk', 3_000_000, 2)),
    300_000,
  );

  test.each(['catalog-lost', 'catalog-older', 'strays', 'two-servers'])(
    'when something is wrong with the data directory: %s',
    async (name) => void (await tryKind(name, 4_000_000, 1)),
    300_000,
  );
});

/** @returns how many processes were killed */
async function tryKind(name: string, seed: number, trials: number): Promise<number> {
  const kind = kinds[name];
  if (kind === undefined) throw new Error(`there is no kind ${name}`);
  const { failure, tally } = await runGroup(
    kind,
    Array.from({ length: trials }, (_, index) => seed + index),
  );
  expect(failure).toBeUndefined();
  return tally.kills;
}
