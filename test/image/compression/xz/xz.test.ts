import { createHash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HeadwaterError } from '../../../../src/errors.ts';
import { unxz } from '../../../../src/image/compression/xz/xz.ts';
import { xz } from '../../../../src/image/compression/xz/xz-pack.ts';
import { tool } from '../../tools.ts';

async function unpack(bytes: Uint8Array, size = 10_000): Promise<Buffer> {
  async function* chunks() {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }
  const parts: Uint8Array[] = [];
  for await (const part of unxz(chunks())) parts.push(part);
  return Buffer.concat(parts);
}

const pack = (bytes: Uint8Array, ...options: string[]) => tool('xz', ['-c', ...options], bytes);

/** Bytes of several kinds: text with matches near and far, noise, runs, and what looks like pointers. */
const sample = Buffer.concat([
  Buffer.from(Array.from({ length: 10_000 }, (_, index) => `line ${index % 977} of ${index}\n`).join('')),
  randomBytes(75_000),
  Buffer.alloc(150_000, 'x'),
  Buffer.from(Uint32Array.from({ length: 25_000 }, (_, index) => index * 4096).buffer),
  createHash('sha256').update('far').digest(),
]);
const twice = Buffer.concat([sample, sample]);

describe('what xz packs is unpacked', () => {
  it.each([
    ['fastest', ['-0']],
    ['by default', []],
    ['best', ['-9e']],
    ['without check', ['--check=none']],
    ['with CRC-32', ['--check=crc32']],
    ['with CRC-64', ['--check=crc64']],
    ['in blocks', ['--block-size=100000']],
    ['in blocks by several threads', ['-T2', '--block-size=200000']],
    ['with a tiny dictionary', ['--lzma2=dict=4KiB']],
    ['with other literal contexts', ['--lzma2=lc=0,lp=4,pb=4']],
    ['with no contexts', ['--lzma2=lc=0,lp=0,pb=0']],
    ['with most contexts', ['--lzma2=lc=4,lp=0,pb=2']],
  ])('%s', async (_, options) => {
    const packed = pack(twice, ...options);
    expect((await unpack(packed)).equals(twice)).toBe(true);
    expect((await unpack(packed, 1_000_000)).equals(twice)).toBe(true);
  });

  it('with noise only, and with nothing', async () => {
    const noise = randomBytes(3_000_000);
    expect((await unpack(pack(noise, '-0'), 1_000_000)).equals(noise)).toBe(true);
    expect(await unpack(pack(Buffer.alloc(0)))).toHaveLength(0);
  });

  it('with more than the window holds at a time', async () => {
    const many = Buffer.concat(Array.from({ length: 7 }, () => sample));
    const packed = pack(many, '--lzma2=dict=1MiB');
    expect((await unpack(packed, 1_000_000)).equals(many)).toBe(true);
  });

  it('with any bytes', async () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.tuple(fc.string(), fc.nat({ max: 200 })).map(([text, times]) => Buffer.from(text.repeat(times))),
    );
    // As the presets, without their dictionaries: for each file xz would clear hundreds of MiB.
    const [medium, best] = ['--lzma2=preset=6,dict=64KiB', '--lzma2=preset=9e,dict=64KiB'];
    const other = '--lzma2=lc=1,lp=3,pb=0,dict=64KiB';
    const option = fc.constantFrom(['-0'], [medium], [best], [other], ['-0', '--block-size=1000']);
    await fc.assert(
      fc.asyncProperty(
        fc.array(piece),
        option,
        fc.integer({ min: 1, max: 500 }),
        async (pieces, how, size) => {
          const bytes = Buffer.concat(pieces);
          expect((await unpack(pack(bytes, ...how), size)).equals(bytes)).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });
});

it('what Headwater packs, xz unpacks', async () => {
  const packed = await xz(sample);
  expect(tool('xz', ['-d', '-c'], packed).equals(sample)).toBe(true);
  expect((await unpack(packed)).equals(sample)).toBe(true);
});

it('zeros in multiples of four may stand between streams and behind them', async () => {
  const packed = pack(sample);
  const zeros = Buffer.alloc(8);
  const unpacked = await unpack(Buffer.concat([packed, zeros, packed, zeros]), 1001);
  expect(unpacked.equals(Buffer.concat([sample, sample]))).toBe(true);
  for (const count of [1, 3, 6]) {
    await expect(unpack(Buffer.concat([packed, Buffer.alloc(count)]))).rejects.toThrow(/truncated|corrupt/);
  }
});

describe('what may not be is refused', () => {
  it('with any bit changed that makes a difference, wherever', async () => {
    const text = Buffer.from('All that is in a file is under one check or another. '.repeat(40));
    const packed = pack(text, '--block-size=900');
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: packed.length - 1 }), fc.nat({ max: 7 }), async (at, bit) => {
        const changed = Buffer.from(packed);
        changed[at] = (changed[at] ?? 0) ^ (1 << bit);
        const result = await unpack(changed).catch((error: unknown) => error);
        if (result instanceof HeadwaterError) expect(result.kind).toBe('invalid');
        else expect(result).toEqual(text);
      }),
      { numRuns: 400 },
    );
  });

  it.each(['--x86', '--delta=dist=4'])('with the filter %s', async (filter) => {
    await expect(unpack(pack(sample, filter, '--lzma2'))).rejects.toThrow(
      'a filter or a check that is not supported',
    );
  });

  it('with a dictionary that no image needs', async () => {
    const packed = pack(sample);
    // The block header: its size, flags, the filter and the size of its properties; then they, and the checksum.
    const length = ((packed[12] ?? 0) + 1) * 4;
    packed[16] = 31;
    packed.writeUInt32LE(crc32(packed.subarray(12, 12 + length - 4)), 12 + length - 4);
    await expect(unpack(packed)).rejects.toThrow('needs a dictionary of more than 64 MiB');
  });
});
