import { expect, test } from 'vitest';
import type { Identity } from '../../src/access/access.ts';
import { AliasMoves } from '../../src/registry/alias-moves.ts';

const mover: Identity = {
  kind: 'token',
  id: 'mover',
  name: 'mover',
  purpose: 'api',
  actions: ['publish'],
  createdAt: new Date(),
};

/** Finds nothing at first, then something. */
function later(rounds: number): () => Promise<string | undefined> {
  let left = rounds;
  return () => Promise.resolve(left-- > 0 ? undefined : 'the new image');
}

test('who asks for an alias that somebody else is moving gets it when the move is done', async () => {
  const moves = new AliasMoves();
  moves.note('team/app', mover);
  expect(await moves.settled('team/app', undefined, later(3))).toBe('the new image');
});

test('who removed it, and who asks for another alias, is told at once that it is not there', async () => {
  const moves = new AliasMoves();
  moves.note('team/app', mover);
  expect(await moves.settled('team/app', mover, later(3))).toBeUndefined();
  expect(await moves.settled('team/other', undefined, later(3))).toBeUndefined();
});

test('an alias that is not set anew is gone after a while', async () => {
  const moves = new AliasMoves();
  moves.note('team/app', mover);
  expect(await moves.settled('team/app', undefined, () => Promise.resolve(undefined))).toBeUndefined();
});
