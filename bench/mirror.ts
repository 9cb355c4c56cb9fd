import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { program } from '../test/e2e/headwater.ts';
import { run } from '../test/support/command.ts';
import { BenchUpstream } from './bench-upstream.ts';
import { benchDirectory } from './fixtures.ts';
import { alternate, compare, type Line, limit, median, note, print, type Run, time } from './measure.ts';

const directory = join(benchDirectory, 'mirror');
const rounds = 5;
const mebibyte = 1024 * 1024;

/** Mirroring from nginx on this machine, against curl. */
export async function benchMirror(): Promise<void> {
  await largeFiles();
  await smallFiles();
  await manyItems();
}

async function largeFiles(): Promise<void> {
  const upstream = await BenchUpstream.start('large', { products: 1, versions: 10, root: 100 * mebibyte });
  try {
    const curl = await curlConfiguration(upstream);
    const script = `curl -sSf -K ${curl} && find ${directory}/copy -type f -exec openssl dgst -sha256 {} +`;
    const samples = await alternate(
      rounds,
      () => mirror(upstream),
      () => fresh('sh', ['-c', script]),
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
  const upstream = await BenchUpstream.start('small', { products: 30, versions: 100, root: 1024 });
  try {
    const curl = await curlConfiguration(upstream);
    const samples = await alternate(
      rounds,
      () => mirror(upstream),
      () => fresh('curl', ['-sSf', '-K', curl]),
    );
    const again: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const startUp = await time(process.execPath, [program, 'mirror', '--help']);
      again.push((await rerun()).seconds - startUp.seconds);
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
    await rm(directory, { recursive: true, force: true });
  }
}

/** Mirrors everything into an empty data directory. */
async function mirror(upstream: BenchUpstream): Promise<Run> {
  await define(upstream);
  await settleDisk();
  return await headwater('run');
}

async function rerun(): Promise<Run> {
  return await headwater('run');
}

async function headwater(command: 'run' | 'plan'): Promise<Run> {
  return await time(process.execPath, [program, 'mirror', command, '--data-dir', join(directory, 'data')], {
    HEADWATER_CONFIG: join(directory, 'headwater.yaml'),
  });
}

async function define(upstream: BenchUpstream): Promise<void> {
  await rm(join(directory, 'data'), { recursive: true, force: true });
  await mkdir(join(directory, 'mirrors'), { recursive: true });
  await writeFile(
    join(directory, 'mirrors/bench.yaml'),
    `url: ${upstream.url}\nunsigned: true\nkeep: {versions: 100}\n`,
  );
  await writeFile(join(directory, 'headwater.yaml'), `mirrorDir: ${join(directory, 'mirrors')}\n`);
}

/** A list of all files for curl, which gets them one after the other over one connection. */
async function curlConfiguration(upstream: BenchUpstream): Promise<string> {
  await mkdir(directory, { recursive: true });
  const file = join(directory, 'curl.conf');
  const lines = upstream.files.map((path) => `url=${upstream.url}/${path}\noutput=${directory}/copy/${path}`);
  await writeFile(file, `create-dirs\n${lines.join('\n')}\n`);
  return file;
}

async function fresh(tool: string, args: string[]): Promise<Run> {
  await rm(join(directory, 'copy'), { recursive: true, force: true });
  await settleDisk();
  return await time(tool, args);
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
  const target = join(directory, 'copy');
  const args = ['--no-verify', '--max=1000', '--path=streams/v1/index.json', upstream.url, target];
  return [note('sstream-mirror', 's', (await fresh('sstream-mirror', args)).seconds)];
}
