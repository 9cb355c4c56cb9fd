import fc from 'fast-check';
import { expect, test } from 'vitest';
import { inBatches } from '../../../src/mirror/run/add-versions.ts';

const mebibyte = 1024 * 1024;

test('versions go in batches of so many and so large, in their order, and large ones alone', () => {
  const weights = fc.array(
    fc.oneof(fc.constant(undefined), fc.integer({ min: 0, max: 2 * mebibyte }), fc.constant(0)),
    { maxLength: 200 },
  );
  fc.assert(
    fc.property(weights, (given) => {
      const versions = given.map((weight, index) => ({ weight, index }));
      const batches = inBatches(versions, ({ weight }) => weight);
      expect(batches.flat()).toHaveLength(versions.length);
      for (const kind of [true, false]) {
        const of = (list: typeof versions) => list.filter(({ weight }) => (weight === undefined) === kind);
        expect(of(batches.flat())).toEqual(of(versions));
      }
      for (const batch of batches) {
        if (batch.some(({ weight }) => weight === undefined)) expect(batch).toHaveLength(1);
        expect(batch.length).toBeLessThanOrEqual(48);
        const bytes = batch.reduce((sum, { weight = 0 }) => sum + weight, 0);
        expect(bytes).toBeLessThanOrEqual(4 * mebibyte);
        expect(batch).not.toEqual([]);
      }
    }),
  );
});

test('what fits goes together', () => {
  const sizes = (count: number, weight: number) =>
    inBatches(
      Array.from({ length: count }, () => weight),
      (bytes) => bytes,
    ).map(({ length }) => length);
  expect(sizes(100, 1024)).toEqual([48, 48, 4]);
  expect(sizes(5, 2 * mebibyte)).toEqual([2, 2, 1]);
});
