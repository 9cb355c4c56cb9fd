import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Catalog } from '../src/catalog/catalog.ts';
import { commandLineActor } from '../src/cli/backend/command-line-actor.ts';
import { createKey } from '../src/keys/create-key.ts';
import { writeKeyFile } from '../src/keys/key-file.ts';
import { BenchServer } from './bench-server.ts';
import { publishAndSee } from './catalog.ts';
import { benchDirectory } from './fixtures.ts';
import { type Line, limit, median, note, print } from './measure.ts';
import { seedCatalog } from './seed-catalog.ts';

const data = join(benchDirectory, 'data-sign');
const rounds = 9;

/** From a commit in the catalog to the signed document being served, with documents of two sizes. */
export async function benchSign(): Promise<void> {
  const lines: Line[] = [];
  for (const { count, most } of [
    { count: 1_300, most: 1 },
    { count: 12_000, most: 3 },
  ]) {
    const without = await measure(count, { signed: false });
    const signed = await measure(count, { signed: true });
    const size = `${(signed.size / 1e6).toFixed(1)} MB`;
    lines.push(
      note(`${size}: publish to served, without a key`, 's', without.json),
      note(`${size}: publish to served, with a key`, 's', signed.json),
      limit(`${size}: publish to served clear-signed`, 's', signed.sjson, most),
      note(`${size}: longest block of the event loop, without a key`, 'ms', without.block),
      limit(
        `${size}: the same, with a key, beyond that`,
        'ms',
        Math.max(0, signed.block - without.block),
        50,
      ),
    );
  }
  print('Signed documents', lines);
}

interface Measured {
  /** Bytes of the JSON document. */
  size: number;
  /** Seconds from a commit to the document that shows it. */
  json: number;
  sjson: number;
  /** Milliseconds. */
  block: number;
}

async function measure(count: number, { signed }: { signed: boolean }): Promise<Measured> {
  await rm(data, { recursive: true, force: true });
  await mkdir(data, { recursive: true });
  await seedCatalog(join(data, 'catalog.db'), count);
  if (signed) {
    const { key } = await createKey({ name: 'bench', rsa: false });
    await writeKeyFile(join(data, 'keys', 'signing.key'), [key], { replace: false });
  }
  const server = await BenchServer.start(data);
  const catalog = (await Catalog.open(join(data, 'catalog.db'))).by(commandLineActor());
  const delays: Record<'json' | 'sjson', number[]> = { json: [], sjson: [] };
  const blocks: number[] = [];
  try {
    await longestBlock(server);
    for (let round = 0; round < rounds; round++) {
      delays.json.push(await publishAndSee(server, catalog, round));
      if (signed) delays.sjson.push(await publishAndSee(server, catalog, rounds + round, 'sjson'));
      blocks.push(await longestBlock(server));
    }
    const document = await server.get('/streams/v1/images.json');
    return {
      size: document.length,
      json: median(delays.json),
      sjson: median(delays.sjson),
      block: median(blocks),
    };
  } finally {
    await catalog.close();
    await server.stop();
    await rm(data, { recursive: true, force: true });
  }
}

/** The longest time for which the event loop was blocked since the last call, in milliseconds. */
async function longestBlock(server: BenchServer): Promise<number> {
  const metrics = (await server.get('/metrics')).toString();
  const seconds = /^nodejs_eventloop_lag_max_seconds (\S+)$/m.exec(metrics)?.[1];
  return Number(seconds) * 1000;
}
