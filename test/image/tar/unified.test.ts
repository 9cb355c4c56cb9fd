import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Compression } from '../../../src/image/content.ts';
import type { PackEntry } from '../../../src/image/tar/tar-pack.ts';
import { splitUnified } from '../../../src/image/tar/unified.ts';
import { file, folder, metadataYaml, packTar, symlink } from '../fixtures.ts';
import { inspect } from '../inspecting.ts';
import { compressions, packers, tool } from '../tools.ts';

const disk = randomBytes(700_000);
const metadata = file('metadata.yaml', metadataYaml);
const root = file('rootfs.img', disk);
const templates = [
  folder('templates'),
  file('templates/hostname.tpl', '{{ container.name }}\n'),
  symlink('templates/other.tpl', 'hostname.tpl'),
];

async function* chunksOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 60_000) yield bytes.subarray(at, at + 60_000);
}

interface Split {
  metadata: Buffer;
  disk: Buffer;
  size: number;
}

async function split(bytes: Uint8Array, compression: Compression = 'none'): Promise<Split> {
  const parts: Uint8Array[] = [];
  let size = -1;
  const metadata = await splitUnified(compression, chunksOf(bytes), async (stream, announced) => {
    size = announced;
    for await (const part of stream) parts.push(Buffer.from(part));
  });
  return { metadata, disk: Buffer.concat(parts), size };
}

describe('a unified virtual machine is split', () => {
  it.each(compressions)('whatever its compression (%s)', async (compression) => {
    const result = await split(
      packers[compression](await packTar([metadata, ...templates, root])),
      compression,
    );
    expect(result.disk.equals(disk)).toBe(true);
    expect(result.size).toBe(disk.length);
    expect(await inspect(result.metadata)).toMatchObject({
      kind: 'metadata',
      metadata: { source: metadataYaml },
    });
    const names = tool('tar', ['--list'], result.metadata).toString().trim().split('\n');
    expect(names).toEqual(['metadata.yaml', 'templates/', 'templates/hostname.tpl', 'templates/other.tpl']);
  });

  it('whatever the order of its files, always into the same', async () => {
    const expected = await split(await packTar([metadata, ...templates, root]));
    const others: PackEntry[] = [metadata, ...templates];
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: others.length }), async (place) => {
        const result = await split(
          await packTar(others.toSpliced(place, 0, { ...root, name: './rootfs.img' })),
        );
        expect(result.metadata.equals(expected.metadata)).toBe(true);
        expect(result.disk.equals(disk)).toBe(true);
      }),
    );
  });

  it('no faster than its disk is taken', async () => {
    const bytes = await packTar([root, metadata]);
    let given = 0;
    async function* source() {
      for await (const chunk of chunksOf(bytes)) {
        given += chunk.length;
        yield chunk;
      }
    }
    let taken = 0;
    await splitUnified('none', source(), async (stream) => {
      for await (const part of stream) {
        await new Promise((resolve) => setImmediate(resolve));
        expect(given - taken).toBeLessThan(300_000);
        taken += part.length;
      }
    });
    expect(taken).toBe(disk.length);
  });
});

describe('splitting fails', () => {
  it('when the tarball is truncated, for the taker too', async () => {
    const bytes = await packTar([metadata, root]);
    let seen: unknown;
    const splitting = splitUnified('none', chunksOf(bytes.subarray(0, 300_000)), async (stream) => {
      try {
        for await (const _ of stream);
      } catch (error) {
        seen = error;
        throw error;
      }
    });
    await expect(splitting).rejects.toThrow('the tar archive is truncated');
    expect(seen).toMatchObject({ kind: 'invalid' });
  });

  it.each([
    ['at once', async () => Promise.reject(new Error('the disk is full'))],
    [
      'half way',
      async (stream: AsyncIterable<Uint8Array>) => {
        for await (const _ of stream) throw new Error('the disk is full');
      },
    ],
    [
      'at the end',
      async (stream: AsyncIterable<Uint8Array>) => {
        for await (const _ of stream);
        throw new Error('the disk is full');
      },
    ],
  ])('when the taker fails %s', async (_, take) => {
    let left = false;
    async function* source() {
      try {
        yield* chunksOf(await packTar([root, metadata]));
      } finally {
        left = true;
      }
    }
    await expect(splitUnified('none', source(), take)).rejects.toThrow('the disk is full');
    expect(left).toBe(true);
  });

  it('when the source fails', async () => {
    const bytes = await packTar([root, metadata]);
    async function* source() {
      yield bytes.subarray(0, 100_000);
      throw new Error('the sender went away');
    }
    const splitting = splitUnified('none', source(), async (stream) => {
      for await (const _ of stream);
    });
    await expect(splitting).rejects.toThrow('the sender went away');
  });

  it.each([
    ['without a disk', [metadata], 'has no rootfs.img'],
    ['with two disks', [metadata, root, root], 'twice'],
    ['with a link for a disk', [metadata, symlink('rootfs.img', 'x')], 'not a plain file'],
    [
      'with a device',
      [root, { ...file('tty'), type: 'character-device' as const }],
      '"tty" is not a file that',
    ],
    [
      'with much more than metadata',
      [root, file('large', Buffer.alloc(65 * 1024 * 1024))],
      'more than 67108864 bytes',
    ],
  ])('%s', async (_, entries, message) => {
    await expect(split(await packTar(entries))).rejects.toMatchObject({
      kind: 'invalid',
      message: expect.stringContaining(message),
    });
  });

  it('but not when the taker wants no more', async () => {
    const bytes = await packTar([root, metadata]);
    expect((await splitUnified('none', chunksOf(bytes), async () => undefined)).length).toBeGreaterThan(0);
  });
});
