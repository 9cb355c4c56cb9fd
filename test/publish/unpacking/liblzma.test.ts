import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { describe, expect, onTestFinished, test } from 'vitest';
import { HeadwaterError } from '../../../src/errors.ts';
import { detectCompression } from '../../../src/image/compression/detect-compression.ts';
import { unlzma } from '../../../src/image/compression/xz/liblzma.ts';
import { Intake } from '../../../src/publish/intake/intake.ts';
import { file, packTar, rootEntries } from '../../image/fixtures.ts';
import { packers, tool } from '../../image/tools.ts';
import { scratchDirectory } from '../../support/catalog.ts';

const mebibyte = 1024 * 1024;

async function open(memory = 1024 * mebibyte): Promise<Intake> {
  const intake = new Intake({ count: 4, memory, timeout: 60_000, directory: await scratchDirectory() });
  onTestFinished(() => intake.close());
  return intake;
}

async function pass(intake: Intake, source: AsyncIterable<Uint8Array>) {
  const { bytes, examined } = intake.pass(source, { client: 'one' });
  for await (const chunk of bytes) expect(chunk.length).toBeGreaterThan(0);
  return await examined;
}

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 100_000) yield bytes.subarray(at, at + 100_000);
}

/** Processes of this one that unpack, also those that have ended and were not waited for. */
function children(): number {
  return readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      const [, state, parent] = /\) (\S) (\d+)/.exec(readFileSync(`/proc/${name}/stat`, 'utf8')) ?? [];
      if (Number(parent) !== process.pid) return false;
      return state === 'Z' || readFileSync(`/proc/${name}/cmdline`, 'utf8').includes('liblzma-program');
    } catch {
      // It has ended meanwhile.
      return false;
    }
  }).length;
}

/** Packs with a small dictionary, which the file then claims to be a larger one: to make it so takes xz seconds. */
function claimDictionary(packed: Buffer, mebibytes: number): Buffer {
  const claimed = Buffer.from(packed);
  if (detectCompression(packed) === 'lzma') {
    claimed.writeUInt32LE(mebibytes * mebibyte, 1);
    return claimed;
  }
  // A stream header of 12 bytes, then the header of the block, with LZMA2 (0x21) and one byte for its dictionary.
  const [start, length] = [12, (claimed.readUInt8(12) + 1) * 4];
  const property = claimed.indexOf(Buffer.from([0x21, 1]), start) + 2;
  claimed.writeUInt8(2 * (Math.log2(mebibytes) + 8), property);
  claimed.writeUInt32LE(crc32(claimed.subarray(start, start + length - 4)), start + length - 4);
  return claimed;
}

const root = await packTar([...rootEntries, file('noise', randomBytes(700_000))]);
const small = await packTar(rootEntries);

describe('what only liblzma reads is taken', () => {
  test.each([
    ['SHA-256', ['--check=sha256']],
    ['x86', ['--x86', '--lzma2=preset=1']],
    ['ARM', ['--arm', '--lzma2=preset=1']],
    ['delta', ['--delta=dist=4', '--lzma2=preset=1']],
    ['a dictionary of 256 MiB', ['--lzma2=preset=1'], 256],
    ['lzma', ['--format=lzma', '-1']],
    ['lzma with a dictionary of 96 MiB', ['--format=lzma', '--lzma1=preset=1'], 96],
  ])('%s', async (_, options, dictionary?: number) => {
    const intake = await open();
    const compression = options.includes('--format=lzma') ? 'lzma' : 'xz';
    const pack = (bytes: Uint8Array) => {
      const packed = tool('xz', ['-c', ...options], bytes);
      return dictionary === undefined ? packed : claimDictionary(packed, dictionary);
    };
    expect((await pass(intake, pieces(pack(root)))).content).toMatchObject({
      kind: 'rootfs-tarball',
      compression,
    });
    expect((await pass(intake, pieces(pack(small)))).content).toMatchObject({
      kind: 'rootfs-tarball',
      compression,
    });
    await expect.poll(children, { timeout: 20_000 }).toBe(0);
  });

  test('several streams of xz with a SHA-256 check', async () => {
    const packed = [root.subarray(0, 300_000), root.subarray(300_000)].map((part) =>
      tool('xz', ['-c', '-1', '--check=sha256'], part),
    );
    const { content } = await pass(await open(), pieces(Buffer.concat(packed)));
    expect(content).toMatchObject({ kind: 'rootfs-tarball', compression: 'xz' });
  });
});

describe('what may not be is refused', () => {
  const lzma = packers.lzma;
  const filtered = (bytes: Uint8Array) => tool('xz', ['-c', '-1', '--check=sha256'], bytes);

  test.each([
    ['lzma', lzma],
    ['xz', filtered],
  ])('%s that is truncated, followed by something or changed', async (_, pack) => {
    const intake = await open();
    for (const bytes of [root, small]) {
      const packed = pack(bytes);
      await expect(pass(intake, pieces(packed.subarray(0, -20)))).rejects.toThrow('truncated');
      const followed = Buffer.concat([packed, Buffer.from('more than there should be')]);
      await expect(pass(intake, pieces(followed))).rejects.toThrow('followed by something else');
      // lzma has no checksums.
      if (pack === lzma) continue;
      const changed = Buffer.from(packed);
      const middle = Math.floor(changed.length / 2);
      changed.fill(0xff, middle, middle + 50);
      await expect(pass(intake, pieces(changed))).rejects.toMatchObject({ kind: 'invalid' });
    }
    await expect.poll(children, { timeout: 20_000 }).toBe(0);
  });

  test('with a dictionary beyond the memory of an examination', async () => {
    const intake = await open(512 * mebibyte);
    for (const options of [['--lzma2=preset=1'], ['--format=lzma', '--lzma1=preset=1']]) {
      const packed = claimDictionary(tool('xz', ['-c', ...options], root), 256);
      await expect(pass(intake, pieces(packed))).rejects.toMatchObject({
        kind: 'too-large',
        message: expect.stringContaining('limits.examinationMemory'),
      });
    }
  });

  test('a decompression bomb', async () => {
    const bomb = lzma(
      Buffer.concat([small.subarray(0, -1024), await packTar([file('zeros', Buffer.alloc(150 * mebibyte))])]),
    );
    await expect(pass(await open(), pieces(bomb))).rejects.toThrow('decompression bomb');
    await expect.poll(children, { timeout: 20_000 }).toBe(0);
  });
});

test('where no process can be had, the error is a defect and not a verdict on the file', async () => {
  const unpacking = unlzma(pieces(packers.lzma(small))).next();
  await expect(unpacking).rejects.toThrow('before provideLiblzma');
  await expect(unpacking).rejects.not.toBeInstanceOf(HeadwaterError);
});

test('an upload that is given up leaves no process behind', async () => {
  const intake = await open();
  const large = await packTar([...rootEntries, file('noise', randomBytes(4 * mebibyte))]);
  const packed = packers.lzma(large);
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield packed.subarray(0, 3 * mebibyte);
    await expect.poll(children, { timeout: 20_000 }).toBe(1);
    throw new Error('the sender left');
  }
  await expect(pass(intake, broken())).rejects.toThrow('the sender left');
  await expect.poll(children, { timeout: 20_000 }).toBe(0);
});

test('a file is taken for lzma only when all of its header fits', () => {
  const header = packers.lzma(Buffer.from('text')).subarray(0, 20);
  expect(detectCompression(header)).toBe('lzma');
  for (const [at, value] of [
    [0, 0x5e],
    [1, 1],
    [4, 0x7f],
    [12, 1],
    [13, 1],
  ] as const) {
    const changed = Buffer.from(header);
    changed[at] = value;
    expect(detectCompression(changed)).toBe('none');
  }
  expect(detectCompression(header.subarray(0, 13))).toBe('none');
});
