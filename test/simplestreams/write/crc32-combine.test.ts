import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { combineCrc32 } from '../../../src/simplestreams/write/crc32-combine.ts';

test('the CRC of two pieces is the CRC of their bytes one after the other', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 5000 }), fc.uint8Array({ maxLength: 5000 }), (one, other) => {
      const whole = crc32(Buffer.concat([one, other]));
      expect(combineCrc32(crc32(one), crc32(other), other.length)).toBe(whole);
    }),
  );
});
