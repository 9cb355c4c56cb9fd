import { expect, test } from 'vitest';
import { scratchDirectory } from '../support/catalog.ts';
import { fuzz } from './fuzz.ts';
import { mutate, randomFrom } from './mutate.ts';
import { mutateText } from './texts.ts';

test('mutants of image files are accepted or refused: none hangs or ends a thread', async () => {
  const result = await fuzz({
    count: 3000,
    seed: 1,
    directory: await scratchDirectory(),
    log: () => undefined,
  });
  expect(result.findings).toEqual([]);
  for (const way of ['whole', 'streamed', 'spooled', 'split', 'text'] as const) {
    expect(result.accepted[way], way).toBeGreaterThan(0);
    expect(result.refused[way], way).toBeGreaterThan(5);
  }
  // Growth of memory is reported, not asserted: other tests share this process.
  if (process.env['REQUIRE_ALL_TESTS'] === '1') expect(result.missing).toEqual([]);
}, 300_000);

test('a seed always makes the same mutant', () => {
  const bytes = Buffer.alloc(3000, 'some bytes');
  expect(mutate(bytes, randomFrom(7))).toEqual(mutate(bytes, randomFrom(7)));
  expect(mutate(bytes, randomFrom(7))).not.toEqual(mutate(bytes, randomFrom(8)));
  expect(mutateText(randomFrom(7))).toBe(mutateText(randomFrom(7)));
});
