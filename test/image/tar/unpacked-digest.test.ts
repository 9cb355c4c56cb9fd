import { hash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { packTar } from '../../../src/image/tar/tar-pack.ts';
import { inspect } from '../inspecting.ts';

/** @param size of a file in it, in bytes */
async function root(size: number): Promise<Buffer> {
  const directory = (name: string) => ({ name, type: 'directory', mode: 0o755, mtime: new Date(0) }) as const;
  const file = { name: 'etc/noise', type: 'file', mode: 0o644, mtime: new Date(0) } as const;
  return await packTar([
    ...['bin', 'etc', 'usr'].map(directory),
    { ...file, bytes: Buffer.alloc(size, 'x') },
  ]);
}

// Small files are unpacked at once, others as a stream.
it.each([1000, 1_000_000])(
  'the digest of a gzip root with a file of %i bytes is that of its tar archive',
  async (size) => {
    const tar = await root(size);
    const unpacked = hash('sha256', tar);
    expect(await inspect(gzipSync(tar))).toMatchObject({ unpacked });
    const half = tar.length / 2;
    const members = Buffer.concat([gzipSync(tar.subarray(0, half)), gzipSync(tar.subarray(half))]);
    expect(await inspect(members)).toMatchObject({ unpacked });
  },
);

it.each([1000, 1_000_000])(
  'a gzip root with padding has none, because clients of OCI refuse it',
  async (size) => {
    const content = await inspect(Buffer.concat([gzipSync(await root(size)), Buffer.alloc(512)]));
    expect(content).toMatchObject({ kind: 'rootfs-tarball', compression: 'gzip' });
    expect(content).not.toHaveProperty('unpacked');
  },
);
