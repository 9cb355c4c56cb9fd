import { HeadwaterError, messageOf } from '../../src/errors.ts';
import { Intake } from '../../src/publish/intake/intake.ts';
import { LostThread } from '../../src/publish/intake/intake-thread.ts';
import { makeCorpus } from './corpus.ts';
import { mutate, randomFrom } from './mutate.ts';

interface FuzzOptions {
  /** Mutants. */
  count: number;
  /** Of the first mutant; each one after it has the next number. */
  seed: number;
  /** Where the threads may write. */
  directory: string;
  log: (text: string) => void;
}

export interface FuzzResult {
  count: number;
  accepted: number;
  refused: number;
  /** What went wrong, with the seed that repeats it. */
  findings: string[];
  /** Bytes of resident memory that the process gained after the first tenth. */
  growth: number;
  missing: string[];
}

const batch = 64;

/** Has mutants of small image files of every kind examined in worker threads, which are ended when they hang. */
export async function fuzz({ count, seed, directory, log }: FuzzOptions): Promise<FuzzResult> {
  const { seeds, missing } = await makeCorpus();
  for (const sentence of missing) log(sentence);
  const intake = new Intake({ count: 4, memory: 2 ** 29, timeout: 10_000, directory });
  const result: FuzzResult = { count: 0, accepted: 0, refused: 0, findings: [], growth: 0, missing };
  let before: number | undefined;
  try {
    while (result.count < count) {
      const numbers = Array.from(
        { length: Math.min(batch, count - result.count) },
        (_, at) => seed + result.count + at,
      );
      const mutants = numbers.map((number) => {
        const random = randomFrom(number);
        const original = seeds[Math.floor(random() * seeds.length)];
        if (original === undefined) throw new Error('there are no files to mutate');
        return { number, name: original.name, bytes: mutate(original.bytes, random) };
      });
      const outcomes = await intake.take(mutants, 'fuzz');
      for (const [at, outcome] of outcomes.entries()) {
        if (!('error' in outcome)) result.accepted += 1;
        else if (outcome.error instanceof HeadwaterError && !(outcome.error instanceof LostThread))
          result.refused += 1;
        else {
          const finding = `${mutants[at]?.name}, --seed ${mutants[at]?.number} --count 1: ${messageOf(outcome.error)}`;
          log(finding);
          result.findings.push(finding);
        }
      }
      result.count += mutants.length;
      if (result.count >= count / 10) before ??= process.memoryUsage.rss();
    }
  } finally {
    await intake.close();
  }
  result.growth = process.memoryUsage.rss() - (before ?? 0);
  return result;
}
