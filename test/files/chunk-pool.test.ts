import fc from 'fast-check';
import { expect, test } from 'vitest';
import { countHeld, mayReadAhead, readAllowance, recycle, takeChunk } from '../../src/files/chunk-pool.ts';

const kibibyte = 1024;
/** The sizes of chunks, in bytes. */
const least = 15.5 * kibibyte;
const largest = 496 * kibibyte;

test('a few readers have large chunks, a thousand stay within the budget with small ones', () => {
  const few = [takeChunk(2 ** 30), takeChunk(2 ** 30)];
  expect(few.map(({ length }) => length)).toEqual([largest, largest]);
  const many = Array.from({ length: 2000 }, () => takeChunk(2 ** 30));
  const all = [...few, ...many];
  const total = all.reduce((sum, { length }) => sum + length, 0);
  expect(Math.min(...all.map(({ length }) => length))).toBe(least);
  expect(mayReadAhead()).toBe(false);
  // The budget, and the least chunk for each.
  expect(total).toBeLessThanOrEqual(16 * 1024 * kibibyte + 2000 * least);
  for (const chunk of all) recycle(chunk);
  expect(mayReadAhead()).toBe(true);
  expect(readAllowance()).toBe(largest);
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
      expect(readAllowance()).toBe(largest);
    }),
  );
});

test('many readers that take chunks in turns use the same memory again', () => {
  // A few readers hold nothing for a while, so that the sizes of chunks change all the time.
  const held = Array.from({ length: 500 }, () => takeChunk(2 ** 30));
  const memory = new Set<ArrayBufferLike>(held.map(({ buffer }) => buffer));
  for (let step = 0; step < 20_000; step++) {
    const count = 1 + ((step * 7919) % 40);
    const returned = held.splice((step * 104_729) % (held.length - count), count);
    for (const chunk of returned) recycle(chunk);
    const taken = returned.map(() => takeChunk(2 ** 30));
    for (const { buffer } of taken) memory.add(buffer);
    held.push(...taken);
  }
  const bytes = [...memory].reduce((sum, { byteLength }) => sum + byteLength, 0);
  expect(bytes).toBeLessThanOrEqual(64 * 1024 * kibibyte);
  for (const chunk of held) recycle(chunk);
});

test('what readers hold elsewhere counts, too, and foreign memory is left alone', () => {
  countHeld(14 * 1024 * kibibyte);
  expect(readAllowance()).toBe(256 * kibibyte);
  recycle(new Uint8Array(512 * kibibyte));
  expect(readAllowance()).toBe(256 * kibibyte);
  countHeld(-14 * 1024 * kibibyte);
  expect(readAllowance(2 ** 20)).toBe(2 ** 20);
});
