import { expect, it } from 'vitest';
import { refusal } from './inspecting.ts';
import { tool } from './tools.ts';

const mebibyte = 1024 * 1024;

it('a small archive of more than 4 GiB is refused', async () => {
  // A header for 5 GiB, and as many zeros as it promises, each frame of them in a few hundred bytes.
  const header = Buffer.alloc(512);
  header.write('rootfs/zeros');
  header.write('0000644\0', 100);
  header.write('50000000000\0', 124);
  header.write('        0', 148);
  header.write('ustar\0', 257);
  header.write('00', 263);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  const pack = (bytes: Buffer) => tool('zstd', ['-q', '-c', '-1', '--no-check'], bytes);
  const zeros = pack(Buffer.alloc(128 * mebibyte));
  const bytes = Buffer.concat([pack(header), ...Array<Buffer>(40).fill(zeros)]);
  expect(bytes.length).toBeLessThan(mebibyte);
  expect(await refusal(bytes, [100_000])).toContain('as only a decompression bomb does');
}, 120_000);
