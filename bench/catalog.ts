import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { Catalog } from '../src/catalog/catalog.ts';
import { commandLineActor } from '../src/cli/backend/command-line-actor.ts';
import { BenchServer } from './bench-server.ts';
import { benchDirectory } from './fixtures.ts';
import { type Line, limit, median, note, peakMemory, print } from './measure.ts';
import { seedCatalog } from './seed-catalog.ts';

/** From a commit in the catalog to the new document being served, and start-up, with catalogs of three sizes. */
export async function benchCatalog(): Promise<void> {
  const lines: Line[] = [];
  for (const count of [2_000, 20_000, 100_000]) lines.push(...(await measure(count)));
  print('A catalog of many versions', lines);
}

async function measure(count: number): Promise<Line[]> {
  const data = join(benchDirectory, 'data-catalog');
  await rm(data, { recursive: true, force: true });
  await mkdir(data, { recursive: true });
  await seedCatalog(join(data, 'catalog.db'), count);
  const starts = [];
  for (let round = 0; round < 3; round++) {
    const server = await BenchServer.start(data);
    starts.push(server.startSeconds);
    await server.stop();
  }
  const server = await BenchServer.start(data);
  const catalog = (await Catalog.open(join(data, 'catalog.db'))).by(commandLineActor());
  const delays = [];
  try {
    for (let round = 0; round < 15; round++) delays.push(await publishAndSee(server, catalog, round));
    const document = await server.get('/streams/v1/images.json');
    return [
      note(`${count} versions: size of the document`, 'MB', document.length / 1e6),
      count === 20_000
        ? limit(`${count} versions: publish to served`, 's', median(delays), 0.2)
        : note(`${count} versions: publish to served`, 's', median(delays)),
      count === 100_000
        ? limit(`${count} versions: start to ready`, 's', median(starts), 3)
        : note(`${count} versions: start to ready`, 's', median(starts)),
      note(`${count} versions: memory`, 'MiB', peakMemory(server.child)),
    ];
  } finally {
    await catalog.close();
    await server.stop();
    await rm(data, { recursive: true, force: true });
  }
}

/** @returns seconds from the beginning of the publish's transaction to the first answer that shows it */
export async function publishAndSee(
  server: BenchServer,
  catalog: Catalog,
  round: number,
  form = 'json',
): Promise<number> {
  const url = `${server.url}/streams/v1/images.${form}`;
  const dispatcher = new Agent({ connect: { rejectUnauthorized: false } });
  const etag = async () => {
    const { headers, body } = await request(url, { method: 'HEAD', dispatcher });
    await body.dump();
    return headers['etag'];
  };
  const before = await etag();
  const hash = (text: string) => Buffer.from(text.padEnd(32, '.')).toString('hex');
  const started = performance.now();
  await catalog.versions.publish(
    {
      product: {
        os: `os${String(round * 50).padStart(6, '0')}`,
        release: 'r1',
        architecture: 'amd64',
        variant: 'default',
      },
      stream: 'images',
      owner: 'local',
      details: { osTitle: 'os', releaseTitle: 'r1', requirements: {} },
      aliases: [],
      serial: '20270101_0000',
      label: 'release',
      items: [
        { file: 'lxd.tar.xz', type: 'metadata', digest: hash(`m${round}`), size: 700 },
        {
          file: 'rootfs.squashfs',
          type: 'squashfs',
          digest: hash(`r${round}`),
          size: 4096,
          fingerprint: hash(`f${round}`),
        },
      ],
    },
    () => Promise.resolve(),
  );
  while ((await etag()) === before);
  const seconds = (performance.now() - started) / 1000;
  await dispatcher.close();
  return seconds;
}
