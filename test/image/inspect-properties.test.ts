import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HeadwaterError } from '../../src/errors.ts';
import type { Content } from '../../src/image/content.ts';
import { lacks } from '../support/needs.ts';
import { file, metadataYaml, packTar, rootEntries } from './fixtures.ts';
import { inspect, refusal } from './inspecting.ts';
import { compressions, packers, scratch, tool } from './tools.ts';

const { directory, remove } = scratch();
afterAll(remove);

/** Image files of every kind, by a name for messages. */
const files = new Map<string, Buffer>();
const contents = new Map<string, Content>();
/** The tarball that the archives are made of: it ends with a file that is not all zeros, then the end mark. */
let tarball: Buffer;

const isIncomplete = lacks('xz', 'zstd', 'bzip2', 'mksquashfs', 'qemu-img');

beforeAll(async () => {
  if (isIncomplete) return;
  tarball = await packTar([...rootEntries, file('last', randomBytes(700))]);
  for (const compression of compressions) files.set(compression, packers[compression](tarball));
  files.set('lzma', packers.lzma(tarball));
  files.set('filtered xz', tool('xz', ['-c', '--check=sha256', '--x86', '--lzma2=preset=1'], tarball));
  files.set('metadata', packers.xz(await packTar([file('metadata.yaml', metadataYaml)])));
  const source = path.join(directory, 'source');
  for (const folder of ['bin', 'etc']) mkdirSync(path.join(source, folder), { recursive: true });
  writeFileSync(path.join(source, 'noise'), randomBytes(50_000));
  const squashfs = path.join(directory, 'squashfs');
  tool('mksquashfs', [source, squashfs, '-quiet', '-no-progress', '-nopad']);
  files.set('squashfs', readFileSync(squashfs));
  const raw = path.join(directory, 'raw');
  writeFileSync(raw, Buffer.concat([randomBytes(200_000), Buffer.alloc(1_000_000), randomBytes(70_000)]));
  const disk = path.join(directory, 'disk');
  tool('qemu-img', ['convert', '-O', 'qcow2', '-o', 'cluster_size=4096', raw, disk]);
  files.set('qcow2', readFileSync(disk));
  for (const [name, bytes] of files) contents.set(name, await inspect(bytes));
});

const archives = [...compressions, 'lzma', 'filtered xz', 'metadata'];
const anyFile = fc.constantFrom(...archives, 'squashfs', 'qcow2');
const bytesOf = (name: string) => files.get(name) ?? Buffer.alloc(0);

describe.skipIf(isIncomplete)('whatever the bytes', () => {
  it('the chunks that they come in make no difference', async () => {
    const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 700 }), fc.integer({ min: 1, max: 70_000 })), {
      minLength: 1,
      maxLength: 8,
    });
    await fc.assert(
      fc.asyncProperty(anyFile, sizes, async (name, lengths) => {
        // Ever so many tiny chunks only take time.
        const chunks = lengths.some((length) => length > 500) ? lengths : [...lengths, 20_000];
        expect(await inspect(bytesOf(name), chunks)).toEqual(contents.get(name));
      }),
      { numRuns: 80 },
    );
  });

  it('single bytes make no difference either', async () => {
    expect(await inspect(bytesOf('metadata'), [1])).toEqual(contents.get('metadata'));
  });

  it.each([...archives, 'squashfs'])('a truncated file is refused (%s)', async (name) => {
    const whole = bytesOf(name);
    // The second of the two blocks that end a tar archive is the last that can be missed.
    const length = name === 'none' ? whole.lastIndexOf('last') && tarball.length : whole.length;
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.integer({ min: 0, max: length - 1 }), fc.integer({ min: length - 40, max: length - 1 })),
        async (cut) => {
          await refusal(whole.subarray(0, cut), [30_000]);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('a changed byte is refused or makes no difference, and never anything else', async () => {
    await fc.assert(
      fc.asyncProperty(anyFile, fc.nat(), fc.integer({ min: 1, max: 255 }), async (name, place, change) => {
        const bytes = Buffer.from(bytesOf(name));
        const at = place % bytes.length;
        bytes[at] = (bytes[at] ?? 0) ^ change;
        await inspect(bytes).catch((error: unknown) => {
          if (!(error instanceof HeadwaterError) || error.kind !== 'invalid') throw error;
        });
      }),
      { numRuns: 300 },
    );
  });

  it('random bytes are refused, even after the right beginning', async () => {
    const beginnings = fc.constantFrom(
      '',
      '\x1f\x8b\x08\0',
      '\xfd7zXZ\0',
      '\xfd7zXZ\0\0\x0a',
      '\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff\0',
      '\x28\xb5\x2f\xfd',
      'BZh91AY&SY',
      'hsqs',
      'QFI\xfb',
    );
    const random = fc.uint8Array({ maxLength: 3000 });
    await fc.assert(
      fc.asyncProperty(beginnings, random, async (beginning, bytes) => {
        await refusal(Buffer.concat([Buffer.from(beginning, 'latin1'), bytes]), [1000]);
      }),
      { numRuns: 300 },
    );
  });
});
