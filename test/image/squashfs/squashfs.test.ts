import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HeadwaterError } from '../../../src/errors.ts';
import { inspect, refusal } from '../inspecting.ts';
import { scratch, tool } from '../tools.ts';

const { directory, remove } = scratch();
afterAll(remove);
const source = path.join(directory, 'source');

beforeAll(() => {
  for (const folder of ['etc', 'usr/bin', 'many']) mkdirSync(path.join(source, folder), { recursive: true });
  writeFileSync(path.join(source, 'noise'), randomBytes(300_000));
  writeFileSync(
    path.join(source, 'text'),
    'as many words as fill a few blocks of packed data. '.repeat(9000),
  );
  for (let index = 0; index < 600; index += 1)
    writeFileSync(path.join(source, 'many', `file-${index}`), `${index}`);
  symlinkSync('text', path.join(source, 'link'));
});

let made = 0;
function squash(...options: string[]): Buffer {
  return squashOf(source, ...options);
}

function squashOf(folder: string, ...options: string[]): Buffer {
  made += 1;
  const image = path.join(directory, `${made}.squashfs`);
  tool('mksquashfs', [folder, image, '-quiet', '-no-progress', ...options]);
  return readFileSync(image);
}

it.each(['gzip', 'lzma', 'lzo', 'xz', 'lz4', 'zstd'])('compressed with %s is taken', async (compressor) => {
  expect(await inspect(squash('-comp', compressor))).toEqual({ kind: 'squashfs', compression: 'none' });
});

it('without the tables that it may lack, and with small blocks, is taken', async () => {
  expect((await inspect(squash('-no-xattrs', '-no-exports', '-no-fragments', '-b', '4K'))).kind).toBe(
    'squashfs',
  );
});

it('with or without padding is taken, but not with less', async () => {
  const image = squash('-nopad');
  expect((await inspect(Buffer.concat([image, Buffer.alloc(5000)]))).kind).toBe('squashfs');
  expect((await inspect(image)).kind).toBe('squashfs');
  expect(await refusal(image.subarray(0, -1))).toBe(
    `the squashfs is truncated: it has ${image.length - 1} of ${image.length} bytes`,
  );
  expect(await refusal(image.subarray(0, 60))).toContain('not even its superblock is whole');
});

describe('a superblock is refused', () => {
  it.each([
    ['of another version', (image: Buffer) => image.writeUInt16LE(3, 28), 'version 3.0'],
    ['with an unknown compressor', (image: Buffer) => image.writeUInt16LE(9, 20), 'unknown compressor 9'],
    ['with a block size that is none', (image: Buffer) => image.writeUInt32LE(5000, 12), 'block size'],
    ['without inodes', (image: Buffer) => image.writeUInt32LE(0, 4), 'no inodes'],
    [
      'with a table outside',
      (image: Buffer) => image.writeUInt32LE(0x7fff_ffff, 64),
      'its inode table is outside',
    ],
    ['without a table', (image: Buffer) => image.fill(0xff, 72, 80), 'its directory table is missing'],
    ['that is longer than the file', (image: Buffer) => image.writeUInt32LE(0x00ff_ffff, 40), 'truncated'],
  ])('%s', async (_, change, message) => {
    const image = squash('-comp', 'gzip');
    change(image);
    expect(await refusal(image, [1000])).toContain(message);
  });
});

it('stored without any compression, or packed with filters that are not unpacked, is taken', async () => {
  expect((await inspect(squash('-noI', '-noD', '-noF', '-noX'))).kind).toBe('squashfs');
  expect((await inspect(squash('-comp', 'xz', '-Xbcj', 'x86'))).kind).toBe('squashfs');
});

describe('what is no root filesystem is refused', () => {
  it.each(['gzip', 'xz', 'zstd'])('packed with %s', async (compressor) => {
    const folder = path.join(directory, `other-${compressor}`);
    for (const name of ['usr/share', 'etc']) mkdirSync(path.join(folder, name), { recursive: true });
    expect(await refusal(squashOf(folder, '-comp', compressor))).toBe(
      'the squashfs holds no root filesystem: it has etc, usr at its top',
    );
  });

  it('and so is an empty one', async () => {
    const folder = path.join(directory, 'empty');
    mkdirSync(folder);
    expect(await refusal(squashOf(folder))).toContain('no root filesystem: it is empty');
  });
});

describe('damage is found', () => {
  const place = (image: Buffer, at: number) => Number(image.readBigUInt64LE(at));

  it.each(['gzip', 'xz', 'zstd'])('in the tables (%s)', async (compressor) => {
    for (const [name, at] of [
      ['inode', 64],
      ['directory', 72],
    ] as const) {
      const image = squash('-comp', compressor);
      const start = place(image, at);
      image.fill(0x55, start + 2, start + 2 + 20);
      expect(await refusal(image, [5000])).toMatch(new RegExp(`its ${name} table cannot be unpacked`));
    }
  });

  it('where a part of packed data was lost, whatever the compressor', async () => {
    for (const compressor of ['gzip', 'xz', 'zstd']) {
      const folder = path.join(directory, `lossy-${compressor}`);
      for (const name of ['bin', 'etc']) mkdirSync(path.join(folder, name), { recursive: true });
      const noise = Buffer.from(randomBytes(300_000).toString('hex'));
      writeFileSync(path.join(folder, 'noise'), noise);
      const image = squashOf(folder, '-comp', compressor);
      image.fill(0, 65_536, 65_536 + 4096);
      expect(await refusal(image, [3000])).toMatch(/at byte 6[5-9]\d{3}, where the data of a file should be/);
    }
  });

  it('but not where zeros are stored as they are', async () => {
    const folder = path.join(directory, 'zeros');
    for (const name of ['bin', 'etc']) mkdirSync(path.join(folder, name), { recursive: true });
    const half = Buffer.alloc(100_000);
    writeFileSync(
      path.join(folder, 'zeros'),
      Buffer.concat([randomBytes(100_000), half, randomBytes(100_000)]),
    );
    expect((await inspect(squashOf(folder, '-noD', '-noF'))).kind).toBe('squashfs');
  });

  it('where a block of data is outside of the file', async () => {
    const folder = path.join(directory, 'outside');
    for (const name of ['bin', 'etc']) mkdirSync(path.join(folder, name), { recursive: true });
    writeFileSync(path.join(folder, 'noise'), randomBytes(300_000));
    const image = squashOf(folder, '-noI', '-noD', '-noF');
    // The inode of a file: its size, and before that where its data begins.
    const size = Buffer.alloc(4);
    size.writeUInt32LE(300_000);
    const at = image.indexOf(size, place(image, 64)) - 12;
    image.writeUInt32LE(0x7000_0000, at);
    expect(await refusal(image)).toContain('outside of its data');
  });
});

it('whatever is changed, it is taken or refused in words', async () => {
  const images = [squash('-noI', '-noF', '-noX', '-nopad'), squash('-comp', 'zstd', '-nopad')];
  const change = fc.record({
    // Most of what there is to go wrong is in the superblock and in the tables at the end.
    place: fc.oneof(fc.integer({ min: 4, max: 95 }), fc.integer({ min: -30_000, max: -1 })),
    bytes: fc.oneof(fc.uint8Array({ minLength: 1, maxLength: 8 }), fc.constant(new Uint8Array(4).fill(0xff))),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...images),
      fc.array(change, { minLength: 1, maxLength: 4 }),
      async (original, changes) => {
        const image = Buffer.from(original);
        for (const { place, bytes } of changes) {
          image.set(bytes, Math.min(place < 0 ? image.length + place : place, image.length - bytes.length));
        }
        const outcome = await inspect(image, [100_000]).catch((error: unknown) => error);
        if (outcome instanceof HeadwaterError) {
          expect(outcome.kind).toBe('invalid');
          expect(outcome.message).not.toContain('undefined');
        } else expect(outcome).toEqual({ kind: 'squashfs', compression: 'none' });
      },
    ),
    { numRuns: 600 },
  );
}, 120_000);
