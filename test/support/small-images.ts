import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from './command.ts';

/** A split image, small but real: made with tar and mksquashfs. */
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
  await writeFile(join(directory, 'metadata.yaml'), JSON.stringify(yaml));
  await run('tar', ['-C', directory, '-cJf', image.metadata, 'metadata.yaml']);
  const root = join(directory, 'root');
  for (const name of ['bin', 'etc', 'usr/bin']) await mkdir(join(root, name), { recursive: true });
  await run('sh', ['-c', `head -c ${size} /dev/urandom > ${root}/etc/noise`]);
  await run('mksquashfs', [root, image.root, '-no-progress', '-quiet', '-comp', 'gzip']);
  return image;
}
