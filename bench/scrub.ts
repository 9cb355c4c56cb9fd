import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { program } from '../test/e2e/headwater.ts';
import { run } from '../test/support/command.ts';
import { BenchServer } from './bench-server.ts';
import { benchDirectory, splitImage } from './fixtures.ts';
import { alternate, compare, percentile, print } from './measure.ts';

const data = join(benchDirectory, 'data-scrub');
const path = 'images/bench/r1/amd64/small/20260101_0000/rootfs.squashfs';
const rounds = 5;
const requests = 1000;
const clients = 8;

/** Requests for an image file of 1 MiB, while a scrub reads another one of 512 MiB, against requests without a scrub. */
export async function benchScrub(): Promise<void> {
  await rm(data, { recursive: true, force: true });
  await mkdir(data, { recursive: true });
  for (const [size, variant] of [
    [512, 'large'],
    [1, 'small'],
  ] as const) {
    const { metadata, root } = await splitImage(size);
    await run(process.execPath, [
      program,
      'publish',
      metadata,
      root,
      '--variant',
      variant,
      '--data-dir',
      data,
    ]);
  }
  try {
    // A scrub is due one second after the start, and again and again.
    const samples = await alternate(
      rounds,
      () => measure('1s'),
      () => measure('0s'),
    );
    const line = compare('99 % of requests for 1 MiB within', 'ms', samples, { most: 1.1 });
    print('Requests beside a scrub, against requests without one', [line]);
  } finally {
    await rm(data, { recursive: true, force: true });
  }
}

/** @returns the 99th percentile of the times of requests, in milliseconds */
async function measure(every: '0s' | '1s'): Promise<number> {
  const server = await BenchServer.start(data, [`scrub.every=${every}`]);
  const agent = new Agent({ connections: clients });
  const url = `${server.url.replace('https:', 'http:')}/${path}`;
  const times: number[] = [];
  const ask = async () => {
    const started = performance.now();
    const { statusCode, body } = await request(url, { dispatcher: agent });
    if (statusCode !== 200) throw new Error(`${url}: status ${statusCode}`);
    await body.dump({ limit: Number.MAX_SAFE_INTEGER });
    times.push(performance.now() - started);
  };
  const askAll = async () => {
    times.length = 0;
    const client = async () => {
      for (let count = 0; count < requests / clients; count++) await ask();
    };
    await Promise.all(Array.from({ length: clients }, client));
  };
  try {
    const isScrubbed = every !== '0s';
    if (isScrubbed) while (!(await isScrubbing(server))) await sleep(50);
    // A server that runs for months is measured warm.
    await askAll();
    await askAll();
    if (isScrubbed && !(await isScrubbing(server))) throw new Error('the scrub ended too early');
    return percentile(times, 0.99);
  } finally {
    await agent.close();
    await server.stop();
  }
}

async function isScrubbing(server: BenchServer): Promise<boolean> {
  const metrics = (await server.get('/metrics')).toString();
  return /^headwater_scrub_progress_ratio [\d.]/m.test(metrics);
}
