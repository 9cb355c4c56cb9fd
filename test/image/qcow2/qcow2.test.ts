import { randomBytes } from 'node:crypto';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { inspect, refusal } from '../inspecting.ts';
import { scratch, tool } from '../tools.ts';

const { directory, remove } = scratch();
afterAll(remove);

let made = 0;
const fresh = (suffix: string) => {
  made += 1;
  return path.join(directory, `${made}.${suffix}`);
};

/** A disk of 2 MiB: noise, a hole, noise. */
function raw(): string {
  const disk = fresh('raw');
  writeFileSync(disk, Buffer.concat([randomBytes(300_000), Buffer.alloc(1_500_000), randomBytes(200_000)]));
  truncateSync(disk, 2 * 1024 * 1024);
  return disk;
}

function convert(options: string[] = []): Buffer {
  const disk = fresh('qcow2');
  tool('qemu-img', ['convert', '-O', 'qcow2', ...options, raw(), disk]);
  return readFileSync(disk);
}

function create(size: string, ...options: string[]): Buffer {
  const disk = fresh('qcow2');
  tool('qemu-img', ['create', '-q', '-f', 'qcow2', ...options, disk, size]);
  return readFileSync(disk);
}

describe('a disk is taken', () => {
  it.each([
    ['of version 3', []],
    ['of version 2', ['-o', 'compat=0.10']],
    ['with small clusters', ['-o', 'cluster_size=512']],
    ['with large clusters', ['-o', 'cluster_size=2M']],
    ['with extended entries', ['-o', 'extended_l2=on,cluster_size=16K']],
    ['compressed', ['-c']],
    ['compressed with zstd', ['-c', '-o', 'compression_type=zstd']],
    ['compressed, with small clusters', ['-c', '-o', 'cluster_size=4K']],
  ])('%s', async (_, options) => {
    const bytes = convert(options);
    expect(await inspect(bytes, [100_000])).toEqual({
      kind: 'qcow2',
      compression: 'none',
      virtualSize: 2_097_152,
    });
  });

  it('that is empty and large', async () => {
    expect(await inspect(create('40G'))).toMatchObject({ virtualSize: 40 * 1024 ** 3 });
  });

  it('whose space was reserved', async () => {
    for (const how of ['metadata', 'falloc', 'full']) {
      expect((await inspect(create('8M', '-o', `preallocation=${how}`))).kind).toBe('qcow2');
    }
  });
});

describe('a disk is refused when it lacks clusters', () => {
  it.each([
    ['of version 3', []],
    ['with small clusters', ['-o', 'cluster_size=4K']],
    ['with extended entries', ['-o', 'extended_l2=on,cluster_size=16K']],
    ['compressed', ['-c']],
  ])('%s', async (_, options) => {
    const bytes = convert(options);
    for (const part of [0.8, 0.5, 0.3, 0.1]) {
      expect(await refusal(bytes.subarray(0, Math.floor(bytes.length * part)), [3000])).toContain(
        'truncated',
      );
    }
    expect(await refusal(bytes.subarray(0, 50))).toContain('its header is not whole');
  });
});

describe('a disk is refused', () => {
  it('with a backing file, which is one of the machine that it was made on', async () => {
    const base = fresh('qcow2');
    tool('qemu-img', ['create', '-q', '-f', 'qcow2', base, '1M']);
    const bytes = create('1M', '-b', base, '-F', 'qcow2');
    expect(await refusal(bytes)).toContain('has a backing file');
  });

  it('with its data in another file', async () => {
    const bytes = create('1M', '-o', `data_file=${fresh('data')}`);
    expect(await refusal(bytes)).toContain('keeps its data in another file');
  });

  it.each([
    ['of an unknown version', (disk: Buffer) => disk.writeUInt32BE(4, 4), 'version 4'],
    ['with impossible clusters', (disk: Buffer) => disk.writeUInt32BE(40, 20), '2^40'],
    ['without a size', (disk: Buffer) => disk.writeBigUInt64BE(0n, 24), 'virtual size is 0'],
    ['of an impossible size', (disk: Buffer) => disk.writeBigUInt64BE(2n ** 60n, 24), 'corrupt'],
    [
      'of a size that its table cannot have',
      (disk: Buffer) => disk.writeBigUInt64BE(2n ** 40n, 24),
      'first-level',
    ],
    ['that is encrypted', (disk: Buffer) => disk.writeUInt32BE(2, 32), 'encrypted'],
    ['with an endless table', (disk: Buffer) => disk.writeUInt32BE(0xffff_ffff, 36), 'first-level table'],
    ['with a table in its header', (disk: Buffer) => disk.writeBigUInt64BE(8n, 40), 'begins at byte 8'],
    ['with a table behind its end', (disk: Buffer) => disk.writeBigUInt64BE(2n ** 30n, 40), 'truncated'],
    ['without refcounts', (disk: Buffer) => disk.writeUInt32BE(0, 56), 'refcount table has 0 bytes'],
    ['that is marked as corrupt', (disk: Buffer) => disk.writeBigUInt64BE(2n, 72), 'qemu-img check'],
    ['with unknown features', (disk: Buffer) => disk.writeBigUInt64BE(2n ** 40n, 72), 'not known'],
  ])('%s', async (_, change, message) => {
    const disk = create('1M');
    change(disk);
    expect(await refusal(disk)).toContain(message);
  });

  it('with a table that leads to the middle of a cluster', async () => {
    const disk = convert();
    const table = Number(disk.readBigUInt64BE(40));
    disk.writeBigUInt64BE(disk.readBigUInt64BE(table) + 512n, table);
    expect(await refusal(disk)).toContain('entry 0 of its first-level table');
  });
});
