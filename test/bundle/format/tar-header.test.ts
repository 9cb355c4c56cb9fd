import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { decodeHeader, encodeHeader, endSize } from '../../../src/bundle/format/tar-header.ts';

const directory = mkdtempSync(join(tmpdir(), 'headwater-tar-header-'));
afterAll(() => rmSync(directory, { recursive: true }));

test('what is written is read back', () => {
  fc.assert(
    fc.property(
      fc.stringMatching(/^[A-Za-z0-9._/-]{1,100}$/),
      fc.maxSafeNat(),
      fc.integer({ min: 0, max: 2 ** 33 - 1 }),
      (name, size, mtime) => {
        expect(decodeHeader(encodeHeader({ name, size }, mtime))).toEqual({ name, size, mtime });
      },
    ),
  );
});

test('tar lists a member, also one of more than 8 GiB', () => {
  for (const size of [0, 9_663_676_416]) {
    const file = join(directory, `${size}.tar`);
    writeFileSync(file, Buffer.concat([encodeHeader({ name: 'blobs/a', size }, 1e9), Buffer.alloc(endSize)]));
    // The content is not there: tar says so after it has listed the header.
    const [line] = execFileSync('sh', ['-c', `TZ=UTC tar -tvf "$0" 2>/dev/null || true`, file])
      .toString()
      .split('\n');
    expect(line).toMatch(new RegExp(`^-rw-r--r-- 0/0 +${size} 2001-09-09 01:46 blobs/a$`));
  }
});

test('every other header is refused', () => {
  const header = encodeHeader({ name: 'blobs/a', size: 5 }, 1e9);
  fc.assert(
    fc.property(fc.nat(511), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const other = Buffer.from(header);
      other.writeUInt8((other.readUInt8(at) + change) % 256, at);
      expect(() => decodeHeader(other)).toThrow('a member that no bundle has');
    }),
  );
});

test.each([
  ['a symbolic link', 156, '2'],
  ['a device', 156, '4'],
  ['an extended header', 156, 'x'],
  ['a size below zero', 124, '-0000000001\0'],
])('%s is refused', (_, at, text) => {
  const header = encodeHeader({ name: 'blobs/a', size: 5 }, 1e9);
  header.write(text, at, 'latin1');
  header.write('        ', 148, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  expect(() => decodeHeader(header)).toThrow('a member that no bundle has');
});

test('a size of 2^63 is refused', () => {
  const header = encodeHeader({ name: 'blobs/a', size: 2 ** 40 }, 1e9);
  header.writeBigUInt64BE(2n ** 63n, 128);
  header.write('        ', 148, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  expect(() => decodeHeader(header)).toThrow('a member that no bundle has');
});
