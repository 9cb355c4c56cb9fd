import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { program } from '../test/e2e/headwater.ts';
import { run } from '../test/support/command.ts';
import { BenchUpstream } from './bench-upstream.ts';
import { benchDirectory } from './fixtures.ts';
import { alternate, compare, type Line, limit, median, note, print, type Run, time } from './measure.ts';

const directory = join(benchDirectory, 'mirror');
/**
 * Every run writes into a directory of its own, which goes at the end: for minutes after a file was deleted, ext4 looks at
 * its inode again whenever it makes a new one, which multiplies the time of thousands of small files.
 */
let runs = 0;
const rounds = 5;
const mebibyte = 1024 * 1024;

/** Mirroring from nginx on this machine, against curl. */
export async function benchMirror(): Promise<void> {
  await rm(directory, { recursive: true, force: true });
  try {
    await largeFiles();
    await smallFiles();
    await manyItems();
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function largeFiles(): Promise<void> {
  const upstream = await BenchUpstream.start('large', { products: 1, versions: 10, root: 100 * mebibyte });
  try {
    const samples = await alternate(
      rounds,
      () => mirror(upstream),
      () =>
        copy(upstream, (curl, target) => [
          'sh',
          ['-c', `curl -sSf -K ${curl} && find ${target} -type f -exec openssl dgst -sha256 {} +`],
        ]),
    );
    print('Mirroring ten files of 100 MiB, against curl writing and openssl dgst reading them', [
      compare('wall time', 's', seconds(samples), { most: 1.3 }),
      note('memory', 'MB', peak(samples.ours)),
      ...(await sstreamMirror(upstream)),
    ]);
  } finally {
    await upstream.stop();
  }
}

async function smallFiles(): Promise<void> {
  // As on servers that have deltas: metadata, a root, and a delta of all but the first versions.
  const size = { products: 30, versions: 67, root: 1024, deltas: true };
  const upstream = await BenchUpstream.start('small', size);
  try {
    const samples = await alternate(
      rounds,
      () => mirror(upstream),
      () => copy(upstream, (curl) => ['curl', ['-sSf', '-K', curl]]),
    );
    const again: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const startUp = await time(process.execPath, [program, 'mirror', '--help']);
      again.push((await headwater('run')).seconds - startUp.seconds);
    }
    print('Mirroring 6,000 files of 1 KiB, against curl -K over a kept connection', [
      compare('wall time', 's', seconds(samples), { most: 2 }),
      note('memory', 'MB', peak(samples.ours)),
      ...(await sstreamMirror(upstream)),
      limit('again with nothing new, beyond the start of the process', 's', median(again), 0.2),
    ]);
  } finally {
    await upstream.stop();
  }
}

async function manyItems(): Promise<void> {
  const size = { products: 300, versions: 100, root: 1024 };
  const upstream = await BenchUpstream.start('many', size, { files: false });
  try {
    await define(upstream);
    const plan = await headwater('plan');
    print('Planning 60,000 items', [
      note('wall time', 's', plan.seconds),
      limit('memory', 'MB', peak([plan]), 200),
    ]);
  } finally {
    await upstream.stop();
  }
}

/** Mirrors everything into an empty data directory. */
async function mirror(upstream: BenchUpstream): Promise<Run> {
  await define(upstream);
  await settleDisk();
  return await headwater('run');
}

async function headwater(command: 'run' | 'plan'): Promise<Run> {
  return await time(
    process.execPath,
    [program, 'mirror', command, '--data-dir', join(directory, `data-${runs}`)],
    {
      HEADWATER_CONFIG: join(directory, 'headwater.yaml'),
    },
  );
}

async function define(upstream: BenchUpstream): Promise<void> {
  runs += 1;
  await mkdir(join(directory, 'mirrors'), { recursive: true });
  await writeFile(
    join(directory, 'mirrors/bench.yaml'),
    `url: ${upstream.url}\nunsigned: true\nkeep: {versions: 100}\n`,
  );
  await writeFile(join(directory, 'headwater.yaml'), `mirrorDir: ${join(directory, 'mirrors')}\n`);
}

/**
 * Copies all files.
 * @param command how, from a list of them for curl, which gets them one after the other over one connection
 */
async function copy(
  upstream: BenchUpstream,
  command: (curl: string, target: string) => [string, string[]],
): Promise<Run> {
  runs += 1;
  const [file, target] = [join(directory, 'curl.conf'), join(directory, `copy-${runs}`)];
  await mkdir(target, { recursive: true });
  const lines = upstream.files.map((path) => `url=${upstream.url}/${path}\noutput=${target}/${path}`);
  await writeFile(file, `create-dirs\n${lines.join('\n')}\n`);
  await settleDisk();
  return await time(...command(file, target));
}

/** Waits for what others left to the disk: curl writes nothing through, and who comes next would wait for its bytes. */
async function settleDisk(): Promise<void> {
  await run('sync', []);
}

function seconds({ ours, theirs }: { ours: Run[]; theirs: Run[] }) {
  return { ours: ours.map((run) => run.seconds), theirs: theirs.map((run) => run.seconds) };
}

/** The most memory of any of them, in MB. */
function peak(runs: Run[]): number {
  return (Math.max(...runs.map((run) => run.peak)) * mebibyte) / 1e6;
}

/** How long sstream-mirror takes for the same, where it is installed. */
async function sstreamMirror(upstream: BenchUpstream): Promise<Line[]> {
  const isInstalled = await run('sstream-mirror', ['--help']).then(
    () => true,
    () => false,
  );
  if (!isInstalled) return [];
  const args = ['--no-verify', '--max=1000', '--path=streams/v1/index.json', upstream.url];
  const sample = await copy(upstream, (_, target) => ['sstream-mirror', [...args, target]]);
  return [note('sstream-mirror', 's', sample.seconds)];
}
