import { expect, it } from 'vitest';
import { tarHeader } from '../support/tar-header.ts';
import { file, packTar, rootEntries } from './fixtures.ts';
import { inspect, refusal } from './inspecting.ts';
import { packers, tool } from './tools.ts';

const mebibyte = 1024 * 1024;

it('a small archive of several GiB is refused', async () => {
  // As many zeros as it promises, each frame of them in a few thousand bytes.
  const pack = (bytes: Buffer) => tool('zstd', ['-q', '-c', '-1', '--no-check'], bytes);
  const zeros = pack(Buffer.alloc(128 * mebibyte));
  const bytes = Buffer.concat([
    pack(tarHeader('rootfs/zeros', '50000000000')),
    ...Array<Buffer>(40).fill(zeros),
  ]);
  expect(bytes.length).toBeLessThan(mebibyte);
  expect(await refusal(bytes, [100_000])).toContain('as only a decompression bomb does');
}, 120_000);

it.each(['xz', 'zstd', 'bzip2'] as const)(
  'an archive of some hundred bytes is refused before it has unpacked to much (%s)',
  async (compression) => {
    const bytes = packers[compression](
      Buffer.concat([tarHeader('rootfs/zeros', '50000000000'), Buffer.alloc(100 * mebibyte)]),
    );
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
