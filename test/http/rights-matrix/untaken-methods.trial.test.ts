import { expect, test } from 'vitest';
import { examineMatrix } from './cells.ts';
import { createIdentities } from './identities.ts';
import { createWorld } from './world.ts';

test('methods that a path does not take tell nothing to, and change nothing for, any identity', async () => {
  const world = await createWorld();
  const untaken = await createIdentities(world);
  const { problems, cells } = await examineMatrix(world, { own: [], untaken });
  expect(problems.slice(0, 40).join('\n')).toBe('');
  expect(cells).toBeGreaterThan(5500);
}, 600_000);
