import { expect, it } from 'vitest';
import { file, packTar, rootEntries } from './fixtures.ts';
import { inspect, refusal } from './inspecting.ts';
import { packers, tool } from './tools.ts';

const mebibyte = 1024 * 1024;

/** The beginning of an archive: the header of a file of 5 GiB. */
function header(): Buffer {
  const block = Buffer.alloc(512);
  block.write('rootfs/zeros');
  block.write('0000644\0', 100);
  block.write('50000000000\0', 124);
  block.write('        0', 148);
  block.write('ustar\0', 257);
  block.write('00', 263);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

it('a small archive of several GiB is refused', async () => {
  // As many zeros as it promises, each frame of them in a few thousand bytes.
  const pack = (bytes: Buffer) => tool('zstd', ['-q', '-c', '-1', '--no-check'], bytes);
  const zeros = pack(Buffer.alloc(128 * mebibyte));
  const bytes = Buffer.concat([pack(header()), ...Array<Buffer>(40).fill(zeros)]);
  expect(bytes.length).toBeLessThan(mebibyte);
  expect(await refusal(bytes, [100_000])).toContain('as only a decompression bomb does');
}, 120_000);

it.each(['xz', 'zstd', 'bzip2'] as const)(
  'an archive of some hundred bytes is refused before it has unpacked to much (%s)',
  async (compression) => {
    const bytes = packers[compression](Buffer.concat([header(), Buffer.alloc(100 * mebibyte)]));
    expect(bytes.length).toBeLessThan(32 * 1024);
    expect(await refusal(bytes)).toContain('as only a decompression bomb does');
  },
  60_000,
);

it.each(['gzip', 'xz', 'zstd', 'bzip2'] as const)(
  'a small root with a large file of zeros is taken (%s)',
  async (compression) => {
    const bytes = await packTar([...rootEntries, file('./swapfile', Buffer.alloc(60 * mebibyte))]);
    expect(await inspect(packers[compression](bytes))).toMatchObject({ kind: 'rootfs-tarball' });
  },
  60_000,
);
