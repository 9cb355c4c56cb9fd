import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { BundleFuzzResult, KindCounts } from './bundles/fuzz-bundles.ts';

/** What all runs came to. */
interface Runs {
  /** The seed of the next mutant. */
  next: number;
  count: number;
  kinds: Record<string, KindCounts>;
  findings: string[];
  /** Milliseconds. */
  slowest: number;
}

/** @param file undefined if nothing is kept */
export function readRuns(file: string | undefined): Runs | undefined {
  if (file === undefined || !existsSync(file)) return undefined;
  return JSON.parse(readFileSync(file, 'utf8')) as Runs;
}

export function writeRuns(file: string | undefined, runs: Runs): void {
  if (file === undefined) return;
  writeFileSync(`${file}.new`, JSON.stringify(runs, null, 1));
  renameSync(`${file}.new`, file);
}

/** The runs with one more. */
export function addRun(runs: Runs | undefined, result: BundleFuzzResult, next: number): Runs {
  const kinds = { ...runs?.kinds };
  for (const [name, { accepted, refused }] of Object.entries(result.kinds)) {
    const before = kinds[name] ?? { accepted: 0, refused: 0 };
    kinds[name] = { accepted: before.accepted + accepted, refused: before.refused + refused };
  }
  return {
    ...{ next, count: (runs?.count ?? 0) + result.count, kinds },
    findings: [...(runs?.findings ?? []), ...result.findings],
    slowest: Math.max(runs?.slowest ?? 0, result.slowest),
  };
}
