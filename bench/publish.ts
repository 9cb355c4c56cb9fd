import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { program } from '../test/e2e/headwater.ts';
import { startCeph } from '../test/support/ceph.ts';
import { benchDirectory, splitImage } from './fixtures.ts';
import { alternate, compare, limit, print, type Run, time } from './measure.ts';

const rounds = 5;

/** Publishing a 1 GiB image from a local file, into both stores. */
export async function benchPublish(): Promise<void> {
  const image = await splitImage(1024);
  await intoDirectory(image);
  await intoS3(image);
}

async function intoDirectory(image: { metadata: string; root: string }): Promise<void> {
  const data = join(benchDirectory, 'data');
  const copy = join(benchDirectory, 'copy');
  const samples = await alternate(
    rounds,
    async () => {
      await rm(data, { recursive: true, force: true });
      return await time(process.execPath, [
        program,
        'publish',
        image.metadata,
        image.root,
        '--data-dir',
        data,
      ]);
    },
    async () => {
      await rm(copy, { force: true });
      const script = 'openssl dgst -sha256 "$0" && cp "$0" "$1" && sync "$1"';
      return await time('sh', ['-c', script, image.root, copy]);
    },
  );
  print('Publishing a 1 GiB split image into the directory store, against openssl dgst && cp && sync', [
    compare('wall time', 's', seconds(samples), { most: 1.3 }),
    limit('memory', 'MB', peak(samples.ours) * 1.048576, 200),
  ]);
  await rm(data, { recursive: true, force: true });
  await rm(copy, { force: true });
}

async function intoS3(image: { metadata: string; root: string }): Promise<void> {
  const ceph = await startCeph();
  const data = join(benchDirectory, 'data-s3');
  const config = join(benchDirectory, 's3.yaml');
  await mkdir(benchDirectory, { recursive: true });
  await writeFile(
    config,
    JSON.stringify({
      dataDir: data,
      storage: { type: 's3', endpoint: ceph.endpoint, bucket: 'bench', createBucket: true },
    }),
  );
  const environment = { HEADWATER_S3_ACCESS_KEY: ceph.accessKey, HEADWATER_S3_SECRET_KEY: ceph.secretKey };
  // A bundle of authorities in the environment is more than rclone can use.
  const rclone = async (...args: string[]) => await time('rclone', args, { AWS_CA_BUNDLE: '' });
  const remote = `:s3,provider=Ceph,endpoint="${ceph.endpoint}",access_key_id=${ceph.accessKey},secret_access_key=${ceph.secretKey}:`;
  const empty = async (bucket: string) => {
    await rclone('delete', `${remote}${bucket}`).catch(() => undefined);
    await rm(data, { recursive: true, force: true });
  };
  try {
    await rclone('mkdir', `${remote}peer`);
    const samples = await alternate(
      3,
      async () => {
        await empty('bench');
        return await time(
          process.execPath,
          [program, 'publish', image.metadata, image.root, '--config', config],
          environment,
        );
      },
      async () => {
        await empty('peer');
        return await rclone('copyto', image.root, `${remote}peer/rootfs.squashfs`);
      },
    );
    print('Publishing a 1 GiB split image into S3 (a Ceph gateway on this machine), against rclone copyto', [
      compare('wall time', 's', seconds(samples), { most: 1.2 }),
      limit('memory', 'MB', peak(samples.ours) * 1.048576, 200),
    ]);
  } finally {
    await ceph.stop();
    await rm(data, { recursive: true, force: true });
  }
}

function seconds({ ours, theirs }: { ours: Run[]; theirs: Run[] }) {
  return { ours: ours.map((run) => run.seconds), theirs: theirs.map((run) => run.seconds) };
}

function peak(runs: Run[]): number {
  return Math.max(...runs.map((run) => run.peak));
}
