import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inspect, refusal } from './inspecting.ts';
import { scratch, tool } from './tools.ts';

const { directory, remove } = scratch();
afterAll(remove);
const source = path.join(directory, 'source');

beforeAll(() => {
  mkdirSync(source);
  writeFileSync(path.join(source, 'noise'), randomBytes(300_000));
});

let made = 0;
function squash(...options: string[]): Buffer {
  made += 1;
  const image = path.join(directory, `${made}.squashfs`);
  tool('mksquashfs', [source, image, '-quiet', '-no-progress', ...options]);
  return readFileSync(image);
}

it.each(['gzip', 'lzo', 'xz', 'lz4', 'zstd'])('compressed with %s is taken', async (compressor) => {
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
    ['without a table', (image: Buffer) => image.fill(0xff, 72, 80), 'its directory table is outside'],
    ['that is longer than the file', (image: Buffer) => image.writeUInt32LE(0x7fff_ffff, 40), 'truncated'],
  ])('%s', async (_, change, message) => {
    const image = squash('-comp', 'gzip');
    change(image);
    expect(await refusal(image, [1000])).toContain(message);
  });
});
