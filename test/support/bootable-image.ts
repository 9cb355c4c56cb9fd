import { randomBytes } from 'node:crypto';
import { copyFile, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { stringify } from 'yaml';
import { run } from './command.ts';

/** A system that is nothing but busybox, in the file `/etc/marker` of which is a text of its own. */
export interface BootableImage {
  marker: string;
  os?: string;
  release?: string;
  /** Random bytes, which make the root larger. */
  bytes?: number;
}

/** Makes an image that containers can be launched from, in a moment. @returns the files, metadata first */
export async function bootableImage(
  directory: string,
  { marker, os = 'Busybox', release = 'static', bytes = 0 }: BootableImage,
): Promise<[string, string]> {
  const root = path.join(directory, 'root');
  await rm(directory, { recursive: true, force: true });
  for (const name of ['bin', 'sbin', 'etc', 'dev', 'proc', 'sys', 'root', 'tmp', 'run']) {
    await mkdir(path.join(root, name), { recursive: true });
  }
  await copyFile('/bin/busybox', path.join(root, 'bin/busybox'));
  for (const name of ['bin/sh', 'bin/cat', 'bin/sleep', 'sbin/init']) {
    await symlink('/bin/busybox', path.join(root, name));
  }
  await writeFile(path.join(root, 'etc/inittab'), '::wait:/bin/true\n');
  await writeFile(path.join(root, 'etc/marker'), marker);
  if (bytes > 0) await writeFile(path.join(root, 'root/random'), randomBytes(bytes));
  const properties = { os, release, description: marker };
  const metadata = { architecture: 'x86_64', creation_date: 1767322800, properties };
  await writeFile(path.join(directory, 'metadata.yaml'), stringify(metadata));
  const files: [string, string] = [
    path.join(directory, 'metadata.tar.xz'),
    path.join(directory, 'rootfs.squashfs'),
  ];
  await run('tar', ['-C', directory, '-cJf', files[0], 'metadata.yaml']);
  await run('mksquashfs', [root, files[1], '-noappend', '-quiet', '-no-progress', '-all-root']);
  return files;
}
