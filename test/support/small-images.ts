import { randomBytes } from 'node:crypto';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { xz } from '../../src/image/compression/xz/xz-pack.ts';
import { packTar } from '../../src/image/tar/tar-pack.ts';
import { packSquashfs } from './small-squashfs.ts';

/** A split image, small but real, made without any program. */
export interface SmallImage {
  directory: string;
  metadata: string;
  root: string;
}

/**
 * Makes a split image whose root holds some random bytes.
 * @param options.size bytes of the root, about
 */
export async function makeSmallImage(
  options: { os?: string; serial?: string; size?: number; properties?: Record<string, string> } = {},
): Promise<SmallImage> {
  const { os = 'debian', serial = '20260101_0000', size = 300_000, properties = {} } = options;
  const directory = await mkdtemp(join(tmpdir(), 'headwater-image-'));
  const image = {
    directory,
    metadata: join(directory, 'lxd.tar.xz'),
    root: join(directory, 'rootfs.squashfs'),
  };
  const all = { os, release: 'bookworm', architecture: 'amd64', variant: 'default', serial, ...properties };
  const yaml = { architecture: 'x86_64', creation_date: 1767225600, properties: all };
  // JSON is YAML too.
  await writeFile(image.metadata, await packMetadata(JSON.stringify(yaml)));
  await writeFile(image.root, smallRoot(size));
  return image;
}

/** A metadata tarball with nothing but its `metadata.yaml`. */
export async function packMetadata(yaml: string): Promise<Buffer> {
  const bytes = Buffer.from(yaml);
  return await xz(
    await packTar([{ name: 'metadata.yaml', type: 'file', mode: 0o644, mtime: new Date(0), bytes }]),
  );
}

/** A squashfs that nobody can boot, with random bytes that no other has. @param size of them */
export function smallRoot(size: number): Buffer {
  return packSquashfs({ 'bin/': '', 'usr/bin/': '', 'etc/noise': randomBytes(size) });
}
