import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sizeOfPart } from '../../../src/blobs/s3/s3-sender.ts';

const mebibyte = 1024 * 1024;
const tebibyte = mebibyte * mebibyte;
/** S3's limits: parts of an upload, bytes of an object, bytes of a part. */
const limits = { parts: 10_000, object: 5 * tebibyte, smallest: 5 * mebibyte, largest: 5 * 1024 * mebibyte };
const partSizes = fc.integer({ min: limits.smallest, max: 64 * mebibyte });

describe('parts of an upload', () => {
  test('are as large as was asked for while there are few', () => {
    expect(sizeOfPart(1, 8 * mebibyte, 1)).toBe(8 * mebibyte);
    expect(sizeOfPart(500, 8 * mebibyte, 8 * 10_000 * mebibyte)).toBe(8 * mebibyte);
    expect(sizeOfPart(4000, 8 * mebibyte, undefined)).toBe(8 * mebibyte);
  });

  test('suffice for every size that is known', () => {
    fc.assert(
      fc.property(partSizes, fc.integer({ min: 0, max: limits.object }), (partSize, size) => {
        const part = sizeOfPart(1, partSize, size);
        expect(part).toBeGreaterThanOrEqual(limits.smallest);
        expect(part).toBeLessThanOrEqual(limits.largest);
        expect(Math.ceil(size / part)).toBeLessThanOrEqual(limits.parts);
      }),
    );
  });

  test('suffice for the largest object when the size is not known', () => {
    fc.assert(
      fc.property(partSizes, (partSize) => {
        let sum = 0;
        for (let part = 1; part <= limits.parts; part++) {
          const size = sizeOfPart(part, partSize, undefined);
          if (size < limits.smallest || size > limits.largest) throw new Error(`part ${part}: ${size}`);
          sum += size;
        }
        expect(sum).toBeGreaterThanOrEqual(limits.object);
      }),
      { numRuns: 5 },
    );
  });
});
