import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type BlobToCarry, planLayout } from '../../../src/bundle/format/layout.ts';
import { blobMembers } from '../../../src/bundle/format/members.ts';
import { endSize, spaceOf } from '../../../src/bundle/format/tar-header.ts';

const mebibyte = 1024 * 1024;

const sizes = fc.array(fc.oneof(fc.nat({ max: 3000 }), fc.nat({ max: 9 * mebibyte })), { maxLength: 30 });

function blobsOf(list: readonly number[]): BlobToCarry[] {
  return list.map((size, index) => ({ digest: `sha256:${String(index).padStart(64, '0')}`, size }));
}

test('no volume is over its limit, and every byte of every blob is in one place', () => {
  fc.assert(
    fc.property(
      sizes,
      fc.integer({ min: 2 * mebibyte, max: 6 * mebibyte }),
      fc.nat(9000),
      (list, limit, room) => {
        const head = spaceOf({ size: room });
        const blobs = blobsOf(list);
        const { carried, volumeCount } = planLayout(blobs, limit, head);
        const ends = new Map<string, number>();
        for (let volume = 1; volume <= volumeCount; volume++) {
          const members = blobMembers(carried, volume);
          const bytes = members.reduce((sum, member) => sum + spaceOf(member), head + endSize);
          expect(bytes).toBeLessThanOrEqual(limit);
          for (const { blob, offset, size } of members) {
            expect(offset).toBe(ends.get(blob.digest) ?? 0);
            ends.set(blob.digest, offset + size);
          }
        }
        expect([...ends]).toEqual(blobs.map(({ digest, size }) => [digest, size]));
      },
    ),
  );
});

test('a blob is cut only when it is larger than a volume, at multiples of 1 MiB', () => {
  const { carried, volumeCount } = planLayout(
    blobsOf([mebibyte, 2 * mebibyte, 7 * mebibyte + 5]),
    3 * mebibyte,
    4096,
  );
  expect(carried.map(({ volume, pieces }) => volume ?? pieces)).toEqual([
    1,
    2,
    [
      { offset: 0, size: 2 * mebibyte, volume: 3 },
      { offset: 2 * mebibyte, size: 2 * mebibyte, volume: 4 },
      { offset: 4 * mebibyte, size: 2 * mebibyte, volume: 5 },
      { offset: 6 * mebibyte, size: mebibyte + 5, volume: 6 },
    ],
  ]);
  expect(volumeCount).toBe(6);
});

test('without a limit there is one volume', () => {
  const { carried, volumeCount } = planLayout(blobsOf([5e9, 1, 9e12]), Number.POSITIVE_INFINITY, 4096);
  expect(carried.map(({ volume }) => volume)).toEqual([1, 1, 1]);
  expect(volumeCount).toBe(1);
});

test('a volume without room for a piece is refused with the size that it needs', () => {
  expect(() => planLayout(blobsOf([1]), mebibyte, 4096)).toThrow(
    /^--volume-size: a volume of this bundle needs at least 1054\d{3} bytes/,
  );
});
