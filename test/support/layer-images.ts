import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { packTar } from '../../src/image/tar/tar-pack.ts';
import type { PublishRequest } from '../../src/publish/request.ts';

/** The root of a container as a gzip tarball, small but real, and a request that publishes it. */
export interface LayerImage {
  request: PublishRequest;
  gzip: Buffer;
  /** SHA-256 of the gzip file, and of the tar archive in it. */
  digest: string;
  unpacked: string;
}

/** Makes a root with random bytes that no other has. */
export async function makeLayerImage(
  request: Omit<PublishRequest, 'files'> = {},
  options: { noise?: Buffer; padding?: boolean } = {},
): Promise<LayerImage> {
  const named = { os: 'debian', release: 'bookworm', architecture: 'amd64', ...request };
  const file = (name: string, bytes: Buffer) =>
    ({ name, type: 'file', mode: 0o755, mtime: new Date(0), bytes }) as const;
  const directory = (name: string) => ({ name, type: 'directory', mode: 0o755, mtime: new Date(0) }) as const;
  const tar = await packTar([
    ...['bin', 'etc', 'sbin', 'usr', 'usr/bin', 'var'].map(directory),
    file('etc/os-release', Buffer.from(`ID=${named.os}\nVERSION_CODENAME=${named.release}\n`)),
    file('etc/noise', options.noise ?? randomBytes(3000)),
    file('sbin/init', Buffer.from('#!/bin/sh\nexec sleep 1000\n')),
  ]);
  const packed = gzipSync(tar);
  const gzip = options.padding === true ? Buffer.concat([packed, Buffer.alloc(512)]) : packed;
  const path = join(await mkdtemp(join(tmpdir(), 'headwater-layer-')), 'rootfs.tar.gz');
  await writeFile(path, gzip);
  const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
  return {
    request: { ...named, files: [{ from: 'disk', name: path, path }] },
    gzip,
    digest: sha256(gzip),
    unpacked: sha256(tar),
  };
}
