import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { fuzz } from './fuzz.ts';

const { values } = parseArgs({ options: { count: { type: 'string' }, seed: { type: 'string' } } });
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 30));
const count = Number(values.count ?? 20_000);
const directory = mkdtempSync(join(tmpdir(), 'headwater-fuzz-'));
console.log(`${count} mutants, --seed ${seed}`);
try {
  const result = await fuzz({ count, seed, directory, log: console.log });
  console.log(JSON.stringify(result));
  if (result.findings.length > 0) process.exitCode = 1;
} finally {
  rmSync(directory, { recursive: true, force: true });
}
