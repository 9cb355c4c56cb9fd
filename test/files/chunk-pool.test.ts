import fc from 'fast-check';
import { expect, test } from 'vitest';
import { countHeld, readAllowance, recycle, takeChunk } from '../../src/files/chunk-pool.ts';

const kibibyte = 1024;

test('a few readers have large chunks, a thousand stay within the budget with small ones', () => {
  const few = [takeChunk(2 ** 30), takeChunk(2 ** 30)];
  expect(few.map(({ length }) => length)).toEqual([512 * kibibyte, 512 * kibibyte]);
  const many = Array.from({ length: 2000 }, () => takeChunk(2 ** 30));
  const all = [...few, ...many];
  const total = all.reduce((sum, { length }) => sum + length, 0);
  expect(Math.min(...all.map(({ length }) => length))).toBe(16 * kibibyte);
  // The budget, and the least chunk for each.
  expect(total).toBeLessThanOrEqual((32 * 1024 + 2000 * 16) * kibibyte);
  for (const chunk of all) recycle(chunk);
  expect(readAllowance()).toBe(512 * kibibyte);
});

test('no more is read than is wanted, and memory comes back once', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 2 ** 21 }), { maxLength: 50 }), (sizes) => {
      const chunks = sizes.map((wanted) => ({ wanted, chunk: takeChunk(wanted) }));
      for (const { wanted, chunk } of chunks) expect(chunk.length).toBeLessThanOrEqual(wanted);
      // Nobody's memory is another's.
      expect(new Set(chunks.map(({ chunk }) => chunk.buffer)).size).toBe(chunks.length);
      for (const { chunk } of chunks) {
        recycle(chunk);
        recycle(chunk);
      }
      expect(readAllowance()).toBe(512 * kibibyte);
    }),
  );
});

test('what readers hold elsewhere counts, too, and foreign memory is left alone', () => {
  countHeld(30 * 1024 * kibibyte);
  expect(readAllowance()).toBe(256 * kibibyte);
  recycle(new Uint8Array(512 * kibibyte));
  expect(readAllowance()).toBe(256 * kibibyte);
  countHeld(-30 * 1024 * kibibyte);
  expect(readAllowance(2 ** 20)).toBe(2 ** 20);
});
