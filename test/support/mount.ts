import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { run } from './command.ts';
import { demand } from './needs.ts';

/** A file system of its own, mounted for a test; needs root. */
export interface Mounted {
  path: string;
  /** Mounts it again with other options, such as `ro`. */
  remount(options: string): Promise<void>;
  unmount(): Promise<void>;
}

/** A small file system in memory. @param size as mount takes it, such as `8m` */
export async function mountMemory(size: string): Promise<Mounted> {
  const path = await mkdtemp(join(tmpdir(), 'headwater-mount-'));
  await run('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'headwater-test', path]);
  return mounted(path);
}

/** A file system that can share bytes between files: XFS, in a sparse file. */
export async function mountXfs(): Promise<Mounted> {
  demand('mkfs.xfs');
  const path = await mkdtemp(join(tmpdir(), 'headwater-mount-'));
  const image = `${path}.image`;
  await run('truncate', ['--size=512M', image]);
  await run('mkfs.xfs', ['-q', '-m', 'reflink=1', image]);
  await run('mount', ['-o', 'loop', image, path]);
  // The mount keeps the file, nameless.
  await rm(image);
  return mounted(path);
}

/** A directory mounted over itself, read-only. @returns undoes it */
export async function mountReadOnly(path: string): Promise<() => Promise<void>> {
  await run('mount', ['--bind', path, path]);
  await run('mount', ['-o', 'remount,bind,ro', path]);
  return async () => void (await run('umount', [path]));
}

/** An ext4 file system, which the kernel mounts read-only when it finds an error: `fail` reports one. */
export async function mountExt4(): Promise<Mounted & { fail: () => Promise<void> }> {
  demand('mkfs.ext4');
  const path = await mkdtemp(join(tmpdir(), 'headwater-mount-'));
  const image = `${path}.image`;
  await run('truncate', ['--size=256M', image]);
  await run('mkfs.ext4', ['-q', '-E', 'lazy_itable_init=0', image]);
  await run('mount', ['-o', 'loop,errors=remount-ro', image, path]);
  await rm(image);
  const device = (await run('findmnt', ['-n', '-o', 'SOURCE', path])).trim();
  const fail = () => writeFile(`/sys/fs/ext4/${basename(device)}/trigger_fs_error`, 'error of a test');
  return { ...mounted(path), fail };
}

function mounted(path: string): Mounted {
  return {
    path,
    remount: async (options) => void (await run('mount', ['-o', `remount,${options}`, path])),
    unmount: async () => {
      await run('umount', [path]);
      await rm(path, { recursive: true });
    },
  };
}
