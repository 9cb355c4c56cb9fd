import { readFileSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { program } from '../test/e2e/headwater.ts';
import { run } from '../test/support/command.ts';
import { BenchServer } from './bench-server.ts';
import { BenchUpstream } from './bench-upstream.ts';
import { benchDirectory, splitImage } from './fixtures.ts';
import { limit, note, print } from './measure.ts';
import {
  burst,
  download,
  downloadMetadata,
  mirrorAndRemove,
  publishAndRemove,
  repeat,
  SoakPusher,
  type SoakTarget,
} from './soak-work.ts';

const directory = join(benchDirectory, 'soak');
/** MiB beyond idle: under 1,000 downloads, and for the whole time. */
const bound = 300;
const sampleInterval = 5000;
const downloadsAtOnce = 1000;

/**
 * A server under everything at once for a time, and its memory: publishes, pushes, mirror runs, removals, downloads, and
 * every minute 1,000 downloads that begin at the same moment.
 */
export async function benchSoak(minutes: number): Promise<void> {
  await rm(directory, { recursive: true, force: true });
  const data = join(directory, 'data');
  await mkdir(join(directory, 'mirrors'), { recursive: true });
  const upstream = await BenchUpstream.start('soak', { products: 3, versions: 3, root: 8 * 1024 * 1024 });
  await writeFile(
    join(directory, 'mirrors/bench.yaml'),
    `url: ${upstream.url}\nunsigned: true\nstream: mirrored\n`,
  );
  const image = await splitImage(64);
  await run(process.execPath, [
    program,
    'publish',
    await downloadMetadata(directory),
    image.root,
    '--data-dir',
    data,
  ]);
  const token = (
    await run(process.execPath, [
      ...[program, 'token', 'create', 'soak-admin', '--allow', 'read,publish,remove,admin'],
      ...['--data-dir', data],
    ])
  ).trim();
  const settings = [`mirrorDir=${join(directory, 'mirrors')}`, 'gracePeriod=1m', 'log.level=silent'];
  const server = await BenchServer.start(data, settings, 18447, await memorySettings());
  const ending = new AbortController();
  const broken = { count: 0 };
  const target: SoakTarget = { url: server.url, data, directory, token, signal: ending.signal, broken };
  try {
    const path = '/images/download/r1/amd64/default/20260101_0000/rootfs.squashfs';
    await Promise.all(Array.from({ length: 20 }, () => download(target, path, '127.0.0.2')));
    await sleep(5000);
    const idle = await settled(server);
    console.log(`idle: ${idle.toFixed(0)} MiB; ${minutes} minutes of load begin`);

    const pusher = await SoakPusher.join(target);
    const samples: number[] = [];
    const sampler = setInterval(() => {
      samples.push(memory(server));
      if (samples.length % 12 === 0) report(samples, idle);
    }, sampleInterval);
    const timer = setTimeout(() => ending.abort(), minutes * 60_000);
    const counts = await Promise.all([
      repeat(target, 5000, (round) => publishAndRemove(target, round)),
      repeat(target, 5000, (round) => pusher.push(round)),
      repeat(target, 20_000, () => mirrorAndRemove(target)),
      repeat(target, 20_000, () => burst(target, path, downloadsAtOnce, 10_000)),
      ...Array.from({ length: 4 }, (_, index) =>
        repeat(target, 1000, () => download(target, path, `127.0.0.${10 + index}`)),
      ),
    ]).finally(() => {
      ending.abort();
      clearTimeout(timer);
      clearInterval(sampler);
    });
    await pusher.close();
    const peak = Math.max(...samples);
    await sleep(30_000);
    const after = await settled(server);
    const [publishes = 0, pushes = 0, runs = 0, bursts = 0, ...downloads] = counts;
    print(`Soak of ${minutes} minutes`, [
      note('publishes, with removals', '', publishes),
      note('pushes', '', pushes),
      note('mirror runs', '', runs),
      note(
        'downloads of 64 MiB',
        '',
        downloads.reduce((sum, count) => sum + count, 0),
      ),
      note(`times ${downloadsAtOnce} downloads at once`, '', bursts),
      note('connections that broke', '', broken.count),
      note('memory, idle', 'MiB', idle),
      note('memory, peak', 'MiB', peak),
      note('memory, after', 'MiB', after),
      limit('memory, peak beyond idle', 'MiB', peak - idle, bound),
      limit('memory, afterwards beyond idle', 'MiB', Math.max(0, after - idle), bound),
    ]);
    if (peak - idle > bound || after - idle > bound) process.exitCode = 1;
  } finally {
    ending.abort();
    await server.stop();
    await upstream.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

/** How the systemd unit sets the allocator and V8. */
async function memorySettings(): Promise<Record<string, string>> {
  const unit = await readFile('config/headwater.service', 'utf8');
  const lines = [...unit.matchAll(/^Environment=((?:MALLOC_|NODE_OPTIONS).*)$/gm)];
  const pairs = lines.flatMap(([, line = '']) => line.split(' ')).map((pair) => /^(\w+)=(.*)$/.exec(pair));
  return Object.fromEntries(pairs.map((pair) => [pair?.[1] ?? '', pair?.[2] ?? '']));
}

/** One line a minute: the memory of each five seconds. */
function report(samples: number[], idle: number): void {
  const last = samples.slice(-12).map((sample) => sample.toFixed(0));
  const peak = Math.max(...samples);
  console.log(
    `minute ${samples.length / 12}: ${last.join(' ')} MiB; peak ${(peak - idle).toFixed(0)} beyond idle`,
  );
}

/** Resident memory in MiB, the least of a few seconds: collections come when they like. */
async function settled(server: BenchServer): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let look = 0; look < 10; look++) {
    least = Math.min(least, memory(server));
    await sleep(500);
  }
  return least;
}

function memory({ child }: BenchServer): number {
  if (child.exitCode !== null || child.signalCode !== null) {
    throw new Error(`the server ended with ${child.signalCode ?? `exit code ${child.exitCode}`}`);
  }
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}
