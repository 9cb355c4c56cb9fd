import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { program } from '../test/e2e/headwater.ts';
import { run } from '../test/support/command.ts';
import { benchDirectory, splitImage } from './fixtures.ts';
import { alternate, compare, type Line, limit, print, type Run, time } from './measure.ts';

const rounds = 5;
const base = join(benchDirectory, 'bundle');
const bundle = join(base, 'out', 'vault-7-0001');

/** Bundles of 1.5 GiB, against tar, sha256sum and openssl on the same files. */
export async function benchBundle(): Promise<void> {
  await prepare();
  try {
    const lines = [...(await create()), ...(await verify())];
    print('A bundle of two images of 1 GiB and 512 MiB in volumes of 700 MiB', lines);
  } finally {
    await rm(base, { recursive: true, force: true });
  }
}

/** Publishes the images, and makes a directory with their files. */
async function prepare(): Promise<void> {
  await rm(base, { recursive: true, force: true });
  await mkdir(join(base, 'files'), { recursive: true });
  await writeFile(join(base, 'headwater.yaml'), `site: hq\ndataDir: ${join(base, 'data')}\n`);
  await headwater('key', 'create');
  await run('sh', ['-c', '"$0" "$1" key export --config "$2" > "$3"', ...exportTo(join(base, 'hq.gpg'))]);
  for (const mebibytes of [1024, 512]) {
    const { metadata, root } = await splitImage(mebibytes);
    await headwater('publish', metadata, root, '--release', `r${mebibytes}`);
    await run('cp', [root, join(base, 'files', `root-${mebibytes}`)]);
  }
}

async function create(): Promise<Line[]> {
  const copy = join(base, 'copy.tar');
  const idle = await headwater('bundle', 'list');
  const samples = await alternate(
    rounds,
    async () => {
      await rm(join(base, 'out'), { recursive: true, force: true });
      await mkdir(join(base, 'out'));
      // The same bundle each time: the first run makes it.
      const again = (await isMade()) ? ['--again', '1'] : ['--volume-size', '700MiB'];
      return await headwater(
        'bundle',
        'create',
        '--to',
        'vault-7',
        ...again,
        '--no-read-back',
        join(base, 'out'),
      );
    },
    async () => {
      await rm(copy, { force: true });
      const script = 'tar -cf - -C "$0" . | tee "$1" | openssl dgst -sha256 && sync "$1"';
      return await time('sh', ['-c', script, join(base, 'files'), copy]);
    },
  );
  await rm(copy, { force: true });
  const most = Math.max(...samples.ours.map(({ peak }) => peak)) - idle.peak;
  return [
    compare('create, against tar, tee and openssl', 'MiB/s', rates(samples), { least: 0.9 }),
    limit('create, memory over an idle command', 'MiB', most, 150),
  ];
}

async function isMade(): Promise<boolean> {
  const { stdout } = await import('../test/support/command.ts').then(({ attempt }) =>
    attempt(process.execPath, [program, 'bundle', 'list', '--json', '--config', config()]),
  );
  return stdout.includes('"sequence": 1');
}

async function verify(): Promise<Line[]> {
  const volumes = (await readdir(bundle)).filter((name) => name.endsWith('.tar'));
  const samples = await alternate(
    rounds,
    async () =>
      await time(process.execPath, [program, 'bundle', 'verify', bundle, '--keyring', join(base, 'hq.gpg')]),
    async () =>
      await time(
        'sha256sum',
        volumes.map((name) => join(bundle, name)),
      ),
  );
  return [compare('verify, against sha256sum', 'MiB/s', rates(samples), { least: 0.9 })];
}

const config = () => join(base, 'headwater.yaml');
const exportTo = (file: string) => [process.execPath, program, config(), file];

async function headwater(...args: string[]): Promise<Run> {
  return await time(process.execPath, [program, ...args, '--config', config()]);
}

/** MiB a second. */
function rates({ ours, theirs }: { ours: Run[]; theirs: Run[] }) {
  const rate = ({ seconds }: Run) => 1536 / seconds;
  return { ours: ours.map(rate), theirs: theirs.map(rate) };
}
