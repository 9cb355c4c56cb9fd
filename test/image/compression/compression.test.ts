import { randomBytes } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { decompress } from '../../../src/image/compression/compression.ts';
import {
  compressionMagicLength,
  detectCompression,
} from '../../../src/image/compression/detect-compression.ts';
import type { Compression } from '../../../src/image/content.ts';
import { compressions, packers, tool } from '../tools.ts';

const mebibyte = 1024 * 1024;

const sample = Buffer.concat([Buffer.alloc(300_000, 'headwater '), randomBytes(300_000)]);
const packed = compressions.filter((compression) => compression !== 'none');

async function* inChunks(bytes: Uint8Array, size = 50_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function unpack(compression: Compression, bytes: Uint8Array, size?: number): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of decompress(compression, inChunks(bytes, size))) parts.push(part);
  return Buffer.concat(parts);
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Bytes of buffers that something still refers to. */
function liveBytes(): number {
  collectGarbage();
  return process.memoryUsage().arrayBuffers;
}

describe.each(packed)('%s', (compression) => {
  const pack = packers[compression];

  it('is told by its first bytes', () => {
    expect(detectCompression(pack(sample).subarray(0, compressionMagicLength))).toBe(compression);
    expect(detectCompression(pack(Buffer.alloc(0)).subarray(0, compressionMagicLength))).toBe(compression);
  });

  it('is unpacked, whatever the chunks', async () => {
    const bytes = pack(sample);
    for (const size of [1000, 50_000, mebibyte]) {
      expect((await unpack(compression, bytes, size)).equals(sample)).toBe(true);
    }
    expect(await unpack(compression, pack(Buffer.alloc(0)))).toHaveLength(0);
  });

  it('may be several files one after the other', async () => {
    const bytes = Buffer.concat([pack(sample), pack(Buffer.alloc(0)), pack(sample)]);
    for (const size of [777, mebibyte]) {
      expect((await unpack(compression, bytes, size)).equals(Buffer.concat([sample, sample]))).toBe(true);
    }
  });

  it('is refused when anything else follows', async () => {
    for (const garbage of ['x', 'something else', pack(sample).subarray(0, 20)]) {
      const bytes = Buffer.concat([pack(sample), Buffer.from(garbage)]);
      for (const size of [999, mebibyte]) {
        await expect(unpack(compression, bytes, size)).rejects.toMatchObject({ kind: 'invalid' });
      }
    }
  });

  it('is refused when it is truncated', async () => {
    const bytes = pack(sample);
    for (const length of [compressionMagicLength, 100, bytes.length - 12, bytes.length - 1]) {
      await expect(unpack(compression, bytes.subarray(0, length))).rejects.toThrow('truncated');
    }
  });

  it('is refused when a byte of it was changed', async () => {
    // zstd(1), other than the libraries, writes a checksum; so all four have one.
    const bytes = pack(sample);
    for (const place of [0.3, 0.6, 0.9]) {
      const broken = Buffer.from(bytes);
      const at = Math.floor(bytes.length * place);
      broken[at] = (broken[at] ?? 0) ^ 0x10;
      await expect(unpack(compression, broken)).rejects.toThrow(`the ${compression} data is corrupt`);
    }
  });

  it('holds little at a time, however much it unpacks to', async () => {
    const zeros = pack(Buffer.alloc(100 * mebibyte));
    let total = 0;
    let largest = 0;
    let most = 0;
    let sampled = 0;
    const before = liveBytes();
    for await (const part of decompress(compression, inChunks(zeros))) {
      total += part.length;
      largest = Math.max(largest, part.length);
      if (total - sampled < 10 * mebibyte) continue;
      sampled = total;
      most = Math.max(most, liveBytes() - before);
    }
    expect(total).toBe(100 * mebibyte);
    expect(largest).toBeLessThanOrEqual(256 * 1024);
    expect(most).toBeLessThan(64 * mebibyte);
  });

  it('stops the source when the receiver has enough', async () => {
    let stopped = false;
    const bytes = pack(sample);
    async function* source() {
      try {
        for (;;) yield bytes;
      } finally {
        stopped = true;
      }
    }
    for await (const _ of decompress(compression, source())) break;
    expect(stopped).toBe(true);
  });

  it('gives on what the source fails with', async () => {
    const bytes = pack(sample);
    async function* source() {
      yield bytes.subarray(0, 1000);
      throw new Error('the sender went away');
    }
    const read = async () => {
      for await (const _ of decompress(compression, source()));
    };
    await expect(read()).rejects.toThrow('the sender went away');
  });
});

it('gzip may be padded with zeros, in any chunks', async () => {
  const bytes = packers.gzip(sample);
  const padded = Buffer.concat([bytes, Buffer.alloc(3000)]);
  for (const size of [1000, bytes.length, mebibyte]) {
    expect((await unpack('gzip', padded, size)).equals(sample)).toBe(true);
  }
  const more = Buffer.concat([padded, bytes]);
  for (const size of [1000, bytes.length, mebibyte]) {
    await expect(unpack('gzip', more, size)).rejects.toThrow('something else follows it');
  }
});

it('zstd of the highest level is unpacked; a window that no image needs is refused', async () => {
  expect((await unpack('zstd', tool('zstd', ['-q', '-c', '--ultra', '-22'], sample))).equals(sample)).toBe(
    true,
  );
  // Without the size at its beginning, a frame asks for the window that it was told to have.
  const bytes = tool('zstd', ['-q', '-c', '--long=28', '--no-content-size', '-'], Buffer.alloc(1000));
  await expect(unpack('zstd', bytes)).rejects.toThrow('window of more than 128 MiB');
});

it('zstd may begin with a frame to skip', async () => {
  const skippable = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4]);
  const bytes = Buffer.concat([skippable, packers.zstd(sample)]);
  expect(detectCompression(bytes)).toBe('zstd');
  expect((await unpack('zstd', bytes)).equals(sample)).toBe(true);
});

it('bzip2 with small blocks is unpacked', async () => {
  // Long runs, few different bytes, and all of them
  const texts = [
    Buffer.alloc(400_000, 'a'),
    Buffer.alloc(5000, 'ab'),
    Buffer.from(Uint8Array.from({ length: 256 }, (_, i) => i)),
  ];
  for (const text of texts) {
    const bytes = tool('bzip2', ['-1', '-c'], text);
    expect((await unpack('bzip2', bytes, 100)).equals(text)).toBe(true);
  }
});
