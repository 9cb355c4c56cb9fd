import fc from 'fast-check';
import { expect, test } from 'vitest';
import { expired } from '../../../src/mirror/on-demand/eviction.ts';

const now = new Date('2026-02-01T00:00:00Z');
const day = 86_400_000;

function blob(digest: string, size: number, daysAgo: number) {
  return { digest, size, askedAt: new Date(now.getTime() - daysAgo * day) };
}

const held = [blob('old', 50, 30), blob('older', 50, 10), blob('new', 50, 1)];

test.each([
  [{}, []],
  [{ age: 20 * day }, ['old']],
  [{ size: 100 }, ['old']],
  [{ size: 99 }, ['old', 'older']],
  [{ age: 5 * day, size: 100 }, ['old', 'older']],
  [{ size: 1 }, ['old', 'older', 'new']],
])('with %j, %j goes', (cache, gone) => {
  expect(expired(held, cache, now).map(({ digest }) => digest)).toEqual(gone);
});

test('what stays is within the limits, and no more goes than has to', () => {
  const blobs = fc.array(fc.record({ size: fc.nat(1000), days: fc.nat(100) }), { maxLength: 30 });
  fc.assert(
    fc.property(blobs, fc.integer({ min: 1, max: 10_000 }), (all, size) => {
      const sorted = all
        .map(({ size: bytes, days }, index) => blob(String(index), bytes, days))
        .sort((one, other) => one.askedAt.getTime() - other.askedAt.getTime());
      const gone = new Set(expired(sorted, { size }, now));
      const total = (some: typeof sorted) => some.reduce((sum, { size: bytes }) => sum + bytes, 0);
      const stays = sorted.filter((one) => !gone.has(one));
      expect(total(stays)).toBeLessThanOrEqual(size);
      const last = sorted[gone.size - 1];
      if (last !== undefined) expect(total([last, ...stays])).toBeGreaterThan(size);
    }),
  );
});
