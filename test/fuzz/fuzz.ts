import type { Outcome } from '../../src/async/outcome.ts';
import { messageOf } from '../../src/errors.ts';
import { memoryHeadLength } from '../../src/image/compression/memory-needed.ts';
import { LostThread } from '../../src/publish/intake/intake-thread.ts';
import { makeCorpus, type Seed } from './corpus.ts';
import { mutate, pick, randomFrom } from './mutate.ts';
import { mutateText } from './texts.ts';
import { isDefect, type Trial, type Way, Ways } from './ways.ts';

interface FuzzOptions {
  /** Mutants. */
  count: number;
  /** Of the first mutant; each one after it has the next number. */
  seed: number;
  /** Where files may be written. */
  directory: string;
  log: (text: string) => void;
}

export interface FuzzResult {
  count: number;
  accepted: Record<Way, number>;
  refused: Record<Way, number>;
  /** What went wrong, with the seed that repeats it. */
  findings: string[];
  /** Bytes of resident memory that the process gained after the first tenth. */
  growth: number;
  missing: string[];
}

const batch = 64;

/** Mutants after which the log says how far it is. */
const progressStep = 10_000;

/** Of the seeds that take long, all but one of so many are left out. */
const slowShare = 32;

/** Has mutants of image files of every kind examined in every way, with a limit on the time of each. */
export async function fuzz({ count, seed, directory, log }: FuzzOptions): Promise<FuzzResult> {
  const { seeds, machines, missing } = await makeCorpus();
  for (const sentence of missing) log(sentence);
  const examining = new Ways(directory);
  const none: Record<Way, number> = { whole: 0, streamed: 0, spooled: 0, split: 0, text: 0 };
  const result: FuzzResult = {
    ...{ count: 0, accepted: { ...none }, refused: { ...none } },
    ...{ findings: [], growth: 0, missing },
  };
  let before: number | undefined;
  try {
    while (result.count < count) {
      const trials = Array.from({ length: Math.min(batch, count - result.count) }, (_, at) =>
        trialOf(seed + result.count + at, { seeds, machines }),
      );
      const outcomes = await examining.run(trials);
      for (const [at, trial] of trials.entries()) {
        let outcome = outcomes[at];
        // A machine that is busy with something else may starve a thread: only what hangs again, alone, hangs.
        if (isLost(outcome)) [outcome] = await examining.run([trial]);
        const verdict = verdictOf(outcome);
        if (verdict === 'accepted' || verdict === 'refused') result[verdict][trial.way] += 1;
        else {
          const finding = `${trial.name}, ${trial.way}, --seed ${trial.number} --count 1: ${verdict.defect}`;
          log(finding);
          result.findings.push(finding);
        }
      }
      result.count += trials.length;
      if (result.count % progressStep < trials.length) log(`${result.count} of ${count} mutants`);
      if (result.count >= count / 10) before ??= process.memoryUsage.rss();
    }
  } finally {
    await examining.close();
  }
  result.growth = process.memoryUsage.rss() - (before ?? 0);
  return result;
}

/** The mutant of a number: always the same. */
function trialOf(number: number, { seeds, machines }: { seeds: Seed[]; machines: Seed[] }): Trial {
  const random = randomFrom(number);
  const way = wayOf(random());
  if (way === 'text') return { number, name: 'metadata.yaml', way, bytes: Buffer.from(mutateText(random)) };
  const from = way === 'split' ? machines : seeds;
  let seed = pick(from, random);
  while (isTooSmall(seed, way) || (seed.isSlow && random() > 1 / slowShare)) seed = pick(from, random);
  const bytes = mutate(seed.bytes, random);
  return { number, name: seed.name, way: isTooSmall({ bytes }, way) ? 'whole' : way, bytes };
}

/** The smallest files are examined as a whole, whatever way they come. */
function isTooSmall({ bytes }: { bytes: Uint8Array }, way: Way): boolean {
  return (way === 'streamed' || way === 'spooled') && bytes.length < memoryHeadLength;
}

/** Those that may cost the start of a thread are few. */
function wayOf(share: number): Way {
  if (share < 0.01) return 'split';
  if (share < 0.03) return 'streamed';
  if (share < 0.05) return 'spooled';
  return share < 0.4 ? 'text' : 'whole';
}

function isLost(outcome: Outcome<unknown> | undefined): boolean {
  return outcome !== undefined && 'error' in outcome && outcome.error instanceof LostThread;
}

function verdictOf(outcome: Outcome<unknown> | undefined): 'accepted' | 'refused' | { defect: string } {
  if (outcome === undefined) return { defect: 'nothing became of it' };
  if (isDefect(outcome)) return { defect: messageOf(outcome.error) };
  return 'error' in outcome ? 'refused' : 'accepted';
}
