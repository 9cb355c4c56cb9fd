import { existsSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../test/support/command.ts';

/** Where the benchmarks keep what is costly to make. */
export const benchDirectory = join(tmpdir(), 'headwater-bench');

export interface SplitImage {
  metadata: string;
  root: string;
}

/**
 * A split image whose root is a squashfs of so many MiB of random bytes, stored without compression: what counts
 * in these measurements is its size.
 */
export async function splitImage(mebibytes: number): Promise<SplitImage> {
  const directory = join(benchDirectory, `image-${mebibytes}`);
  const image = { metadata: join(directory, 'lxd.tar.xz'), root: join(directory, 'rootfs.squashfs') };
  if (existsSync(directory)) return image;
  const staged = `${directory}.new`;
  await rm(staged, { recursive: true, force: true });
  await mkdir(join(staged, 'root/etc'), { recursive: true });
  await writeFile(
    join(staged, 'metadata.yaml'),
    'architecture: amd64\ncreation_date: 1767225600\nproperties: {os: bench, release: r1, variant: default}\n',
  );
  await run('tar', ['-C', staged, '-cJf', join(staged, 'lxd.tar.xz'), 'metadata.yaml']);
  await run('sh', [
    '-c',
    `mkdir -p ${staged}/root/bin && head -c ${mebibytes}M /dev/urandom > ${staged}/root/bin/data`,
  ]);
  await run('mksquashfs', [
    join(staged, 'root'),
    join(staged, 'rootfs.squashfs'),
    '-noI',
    '-noD',
    '-noF',
    '-noX',
    '-no-progress',
    '-quiet',
  ]);
  await rm(join(staged, 'root'), { recursive: true });
  await rename(staged, directory);
  return image;
}
