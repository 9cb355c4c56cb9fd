import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bundleKinds } from './bundles/bundle-kinds.ts';
import { fuzzBundles } from './bundles/fuzz-bundles.ts';
import { fuzz } from './fuzz.ts';
import { addRun, readRuns, writeRuns } from './runs.ts';
import { watchMutants } from './watchdog.ts';

const images = 'images';
const all = [images, ...Object.keys(bundleKinds)];
const help = `npm run fuzz -- [options]

Has mutants of files examined: of image files, and of what travels to sites without a network. None may be accepted that
differs from what was signed, and none may crash, hang or fill the memory.

  --count N      how many mutants of images, and how many of all other kinds together (default: 20000)
  --seed S       the first mutant (default: by chance, or with --state the one after the last run)
  --kinds A,B    only these kinds of: ${all.join(', ')}
  --state FILE   continues the runs that this file sums up
`;

/** Milliseconds for one mutant. */
const hangs = 60_000;
/** Mutants between two updates of the state. */
const step = 5000;

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '20000' },
    seed: { type: 'string' },
    kinds: { type: 'string', default: all.join(',') },
    state: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) console.log(help);
else process.exitCode = await main();

async function main(): Promise<number> {
  const kinds = values.kinds.split(',');
  const wrong = kinds.find((kind) => !all.includes(kind));
  const count = Number(values.count);
  const runs = readRuns(values.state);
  const seed = Number(values.seed ?? runs?.next ?? Math.floor(Math.random() * 2 ** 30));
  if (wrong !== undefined || !Number.isSafeInteger(count) || !Number.isSafeInteger(seed)) {
    console.error(help);
    return 2;
  }
  console.log(`${count} mutants, --seed ${seed}`);
  const failed = [
    ...(kinds.includes(images) ? await ofImages(count, seed) : []),
    ...(await ofBundles(
      kinds.filter((kind) => kind !== images),
      { count, seed },
    )),
  ];
  return failed.length === 0 ? 0 : 1;
}

async function ofImages(count: number, seed: number): Promise<string[]> {
  const directory = mkdtempSync(join(tmpdir(), 'headwater-fuzz-'));
  try {
    const result = await fuzz({ count, seed, directory, log: console.log });
    console.log(JSON.stringify(result));
    return result.findings;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function ofBundles(
  kinds: readonly string[],
  { count, seed }: { count: number; seed: number },
): Promise<string[]> {
  if (kinds.length === 0) return [];
  const watch = watchMutants(hangs);
  const findings: string[] = [];
  try {
    for (let done = 0; done < count; done += step) {
      const part = Math.min(step, count - done);
      const result = await fuzzBundles({
        ...{ count: part, seed: seed + done, kinds, log: console.log },
        onMutant: watch.begin,
      });
      findings.push(...result.findings);
      const sums = addRun(readRuns(values.state), result, seed + done + part);
      writeRuns(values.state, sums);
      console.log(`${done + part} of ${count} mutants: ${JSON.stringify(result)}`);
    }
  } finally {
    await watch.end();
  }
  const sums = readRuns(values.state);
  if (sums !== undefined) console.log(JSON.stringify(sums, null, 1));
  return findings;
}
