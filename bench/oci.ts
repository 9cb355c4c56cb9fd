import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { program } from '../test/e2e/headwater.ts';
import { run } from '../test/support/command.ts';
import { benchDirectory, type SplitImage } from './fixtures.ts';
import { alternate, compare, print, time } from './measure.ts';

const rounds = 5;

/** Publishing a root that unpacks to 1 GiB and is an OCI layer as it is, with the checksum of its archive and without. */
export async function benchOci(): Promise<void> {
  const image = await gzipImage();
  const data = join(benchDirectory, 'data');
  const publish = async (enabled: boolean) => {
    await rm(data, { recursive: true, force: true });
    const files = [image.metadata, image.root];
    return await time(process.execPath, [program, 'publish', ...files, '--data-dir', data], {
      HEADWATER_OCI_ENABLED: String(enabled),
    });
  };
  const { ours, theirs } = await alternate(
    rounds,
    () => publish(true),
    () => publish(false),
  );
  const seconds = (runs: { seconds: number }[]) => runs.map((each) => each.seconds);
  print('Publishing a gzip root of 1 GiB, with the OCI registry on, against off', [
    compare('wall time', 's', { ours: seconds(ours), theirs: seconds(theirs) }, { most: 1.25 }),
  ]);
  await rm(data, { recursive: true, force: true });
}

/** A split image with a gzip root of 1 GiB: half of the file are random bytes, so that unpacking has something to do. */
async function gzipImage(): Promise<SplitImage> {
  const directory = join(benchDirectory, 'image-gzip');
  const image = { metadata: join(directory, 'lxd.tar.xz'), root: join(directory, 'rootfs.tar.gz') };
  if (existsSync(directory)) return image;
  const staged = `${directory}.new`;
  await rm(staged, { recursive: true, force: true });
  await mkdir(staged, { recursive: true });
  const script = `
    set -e; cd "$0"; mkdir -p root/bin root/etc
    printf 'architecture: amd64\\ncreation_date: 1767225600\\nproperties: {os: bench, release: r1, variant: default}\\n' > metadata.yaml
    tar -cJf lxd.tar.xz metadata.yaml
    head -c 768M /dev/urandom | base64 > root/bin/data
    tar -C root -c . | gzip -1 > rootfs.tar.gz
    rm -r root`;
  await run('sh', ['-c', script, staged], { timeout: 1_200_000 });
  await rename(staged, directory);
  return image;
}
