import { HeadwaterError, messageOf } from '../../../src/errors.ts';
import { pick, randomFrom } from '../mutate.ts';
import { makeBundleCorpus } from './bundle-corpus.ts';
import { bundleKinds } from './bundle-kinds.ts';

/** Mutants by their outcome. */
export interface KindCounts {
  accepted: number;
  refused: number;
}

export interface BundleFuzzResult {
  count: number;
  kinds: Record<string, KindCounts>;
  /** What went wrong, with the options that repeat it. */
  findings: string[];
  /** The longest time for one mutant, in milliseconds. */
  slowest: number;
  /** Bytes of resident memory beyond those at the start, at their most. */
  growth: number;
}

/** Milliseconds for one mutant beyond which it is a finding. */
const maxTime = 10_000;
/** Bytes of growth beyond which there is a finding. */
const maxGrowth = 2 ** 30;
/** Mutants between two looks at the memory. */
const batch = 64;

/**
 * Has mutants of manifests, volumes, streams, signed documents and receipts read.
 * @param options.seed of the first mutant; each one after it has the next number
 * @param options.onMutant called before each mutant with its number
 */
export async function fuzzBundles({
  count,
  seed,
  kinds = Object.keys(bundleKinds),
  log,
  onMutant = () => undefined,
}: {
  count: number;
  seed: number;
  kinds?: readonly string[];
  log: (text: string) => void;
  onMutant?: (number: number) => void;
}): Promise<BundleFuzzResult> {
  const corpus = await makeBundleCorpus();
  const before = process.memoryUsage.rss();
  const result: BundleFuzzResult = { count: 0, kinds: {}, findings: [], slowest: 0, growth: 0 };
  for (let number = seed; number < seed + count; number++) {
    const random = randomFrom(number);
    const name = pick(kinds, random);
    const kind = bundleKinds[name];
    if (kind === undefined)
      throw new Error(`there is no kind ${name}: ${Object.keys(bundleKinds).join(', ')}`);
    const tell = (problem: string) => {
      const finding = `--kinds ${name} --seed ${number} --count 1: ${problem}`;
      log(finding);
      result.findings.push(finding);
    };
    onMutant(number);
    const counts = result.kinds[name] ?? { accepted: 0, refused: 0 };
    result.kinds[name] = counts;
    const began = performance.now();
    try {
      counts[(await kind(corpus, random)) ? 'accepted' : 'refused'] += 1;
    } catch (error) {
      if (error instanceof HeadwaterError) counts.refused += 1;
      else tell(error instanceof Error ? (error.stack ?? error.message) : messageOf(error));
    }
    const time = performance.now() - began;
    if (time > maxTime) tell(`it took ${Math.round(time)} ms`);
    result.slowest = Math.max(result.slowest, Math.round(time));
    result.count += 1;
    if (result.count % batch === 0)
      result.growth = Math.max(result.growth, process.memoryUsage.rss() - before);
  }
  if (result.growth > maxGrowth) result.findings.push(`the memory grew by ${result.growth} bytes`);
  return result;
}
