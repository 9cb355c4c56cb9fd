import { linkSync, mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isTarHeader, type TarEntry, walkTar } from '../../../src/image/tar/tar.ts';
import { file, packTar } from '../fixtures.ts';
import { scratch, tool } from '../tools.ts';

const { directory, remove } = scratch();
afterAll(remove);

const longName = `${'long/'.repeat(30)}${'name'.repeat(30)}`;

beforeAll(() => {
  mkdirSync(path.join(directory, path.dirname(longName)), { recursive: true });
  writeFileSync(path.join(directory, longName), 'deep');
  writeFileSync(path.join(directory, 'a'), 'bytes of a');
  linkSync(path.join(directory, 'a'), path.join(directory, 'b'));
  symlinkSync('../a', path.join(directory, 'c'));
  writeFileSync(path.join(directory, 'ümläut'), '');
});

const create = (...args: string[]) => tool('tar', ['--directory', directory, '--create', ...args]);

async function* chunksOf(bytes: Uint8Array, size = 1000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** A header with the checksum that it must have. */
function sealed(header: Buffer): Buffer {
  header.write('        ', 148);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}

async function walk(bytes: Uint8Array): Promise<(TarEntry & { text: string })[]> {
  const found: (TarEntry & { text: string })[] = [];
  await walkTar(chunksOf(bytes), (entry) => {
    const read = { ...entry, text: '' };
    found.push(read);
    return {
      write: (part) => {
        read.text += Buffer.from(part).toString('latin1');
      },
    };
  });
  return found;
}

describe.each(['gnu', 'pax', 'ustar', 'v7'])('the format %s', (format) => {
  it('is walked', async () => {
    const entries = await walk(create(`--format=${format}`, './a', 'b', 'c', 'ümläut'));
    expect(entries).toMatchObject([
      { name: 'a', type: 'file', size: 10, text: 'bytes of a' },
      { name: 'b', type: 'link', linkName: './a', text: '' },
      { name: 'c', type: 'symlink', linkName: '../a', text: '' },
      { name: 'ümläut', type: 'file', size: 0, text: '' },
    ]);
  });

  it('is told by its first block', () => {
    expect(isTarHeader(create(`--format=${format}`, 'a'))).toBe(true);
  });
});

it.each(['gnu', 'pax'])('names of any length are read (%s)', async (format) => {
  expect(await walk(create(`--format=${format}`, longName))).toMatchObject([
    { name: longName, text: 'deep' },
  ]);
});

it('dots and slashes around names make no difference', async () => {
  const names = ['./a', '/a', 'a/', './/a', '././a/.', 'a'];
  const entries = await walk(await packTar(names.map((name) => file(name))));
  expect(new Set(entries.map(({ name }) => name))).toEqual(new Set(['a']));
});

it('blocks that are no headers are told from headers', () => {
  const header = create('a').subarray(0, 512);
  expect(isTarHeader(header)).toBe(true);
  expect(isTarHeader(header.subarray(0, 511))).toBe(false);
  expect(isTarHeader(Buffer.alloc(512))).toBe(false);
  const changed = Buffer.from(header);
  changed[0] = 0x62;
  expect(isTarHeader(changed)).toBe(false);
});

describe('an archive', () => {
  it('must have its end mark', async () => {
    const bytes = create('a');
    expect(await walk(bytes.subarray(0, 1024 + 1024))).toHaveLength(1);
    for (const length of [1024, 1024 + 512]) {
      await expect(walk(bytes.subarray(0, length))).rejects.toThrow('does not have its end mark');
    }
    for (const length of [300, 600, 1023, 1024 + 1023]) {
      await expect(walk(bytes.subarray(0, length))).rejects.toThrow('truncated');
    }
  });

  it('whose last file ends in zeros must have its end mark, too', async () => {
    const bytes = await packTar([file('zeros', Buffer.alloc(4096))]);
    await expect(walk(bytes.subarray(0, 512 + 4096))).rejects.toThrow('does not have its end mark');
  });

  it('with a broken header is refused', async () => {
    const bytes = create('a', 'c');
    bytes[1024 + 5] = 0x7a;
    await expect(walk(bytes)).rejects.toThrow('the tar archive is corrupt');
  });

  it.each([0x81, 0xa5, 0xc0, 0xfe, 0xff])('whose size field begins with %i is refused', async (first) => {
    const header = Buffer.from(create('a').subarray(0, 512));
    header[124] = first;
    await expect(walk(Buffer.concat([sealed(header), Buffer.alloc(4096)]))).rejects.toThrow('corrupt');
  });

  it('may give a size in GNU’s base-256 form', async () => {
    const bytes = create('a');
    const header = Buffer.from(bytes.subarray(0, 512));
    header.fill(0, 124, 136);
    header[124] = 0x80;
    header[135] = 10;
    expect(await walk(Buffer.concat([sealed(header), bytes.subarray(512)]))).toMatchObject([
      { name: 'a', size: 10, text: 'bytes of a' },
    ]);
  });

  it('with something else behind its end is refused', async () => {
    await expect(walk(Buffer.concat([create('a'), Buffer.alloc(512, 'x')]))).rejects.toThrow('corrupt');
  });

  it('with sparse files in the old format that cannot be followed says so', async () => {
    const sparse = path.join(directory, 'sparse');
    writeFileSync(sparse, '');
    truncateSync(sparse, 1024 * 1024);
    tool('qemu-io', [
      '-f',
      'raw',
      ...Array.from({ length: 8 }, (_, at) => ['-c', `write ${at * 131072} 4096`]).flat(),
      sparse,
    ]);
    await expect(walk(create('--sparse', '--format=gnu', 'sparse', 'a'))).rejects.toThrow('without --sparse');
  });
});

it('gives on what a sink or the source throws, and lets the source go', async () => {
  let left = false;
  async function* source() {
    try {
      yield* chunksOf(create('a'), 100);
      throw new Error('the source broke');
    } finally {
      left = true;
    }
  }
  const sink = { write: () => Promise.reject(new Error('the sink is full')) };
  await expect(walkTar(source(), () => sink)).rejects.toThrow('the sink is full');
  expect(left).toBe(true);
  await expect(walkTar(source(), () => undefined)).rejects.toThrow('the source broke');
  await expect(
    walkTar(source(), () => {
      throw new Error('not this one');
    }),
  ).rejects.toThrow('not this one');
});

it('waits for a slow sink', async () => {
  const bytes = await packTar([file('large', Buffer.alloc(3_000_000))]);
  let given = 0;
  let ahead = 0;
  let taken = 0;
  async function* source() {
    for await (const chunk of chunksOf(bytes, 100_000)) {
      given += chunk.length;
      ahead = Math.max(ahead, given - taken);
      yield chunk;
    }
  }
  await walkTar(source(), () => ({
    write: async (part) => {
      await new Promise((resolve) => setImmediate(resolve));
      taken += part.length;
    },
  }));
  expect(taken).toBe(3_000_000);
  expect(ahead).toBeLessThan(500_000);
});
