import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** The middle one of some numbers. */
export function median(numbers: number[]): number {
  const sorted = [...numbers].sort((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** The number below which a share of some numbers lies, such as 0.99 of them. */
export function percentile(numbers: number[], share: number): number {
  const sorted = [...numbers].sort((one, other) => one - other);
  return sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN;
}

/** A program that ran to its end. */
export interface Run {
  seconds: number;
  /** The most memory it had, in MiB. */
  peak: number;
}

/**
 * Runs a program and measures it.
 * @throws Error with what it said when it fails
 */
export async function time(
  program: string,
  args: string[],
  environment: Record<string, string> = {},
): Promise<Run> {
  const started = performance.now();
  const child = spawn(program, args, {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  let peak = 0;
  const watch = setInterval(() => {
    peak = Math.max(peak, peakMemory(child));
  }, 25);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  clearInterval(watch);
  if (code !== 0) throw new Error(`${program} ${args.join(' ')}: exit code ${code}\n${said}`);
  return { seconds: (performance.now() - started) / 1000, peak };
}

/** The most memory that a process has had so far, in MiB; 0 when it is gone. */
export function peakMemory(child: ChildProcess): number {
  try {
    const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
    return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

/** Runs two things alternately, so that both meet the same weather, and gives what each measured. */
export async function alternate<Sample>(
  rounds: number,
  ours: () => Promise<Sample>,
  theirs: () => Promise<Sample>,
): Promise<{ ours: Sample[]; theirs: Sample[] }> {
  const samples: { ours: Sample[]; theirs: Sample[] } = { ours: [], theirs: [] };
  for (let round = 0; round < rounds; round++) {
    samples.theirs.push(await theirs());
    samples.ours.push(await ours());
  }
  return samples;
}

/** One line of the report. */
export interface Line {
  what: string;
  ours: string;
  theirs: string;
  ratio: string;
  /** The bound, and whether it holds. */
  bound: string;
}

/**
 * A line that compares the medians of two series.
 * @param bound.most the ratio ours/theirs may not be over
 * @param bound.least the ratio ours/theirs may not be under
 */
export function compare(
  what: string,
  unit: string,
  samples: { ours: number[]; theirs: number[] },
  bound: { most: number } | { least: number },
): Line {
  const [ours, theirs] = [median(samples.ours), median(samples.theirs)];
  const ratio = ours / theirs;
  const holds = 'most' in bound ? ratio <= bound.most : ratio >= bound.least;
  const wanted = 'most' in bound ? `<= ${bound.most}` : `>= ${bound.least}`;
  return {
    what,
    ours: `${show(ours)} ${unit}`,
    theirs: `${show(theirs)} ${unit}`,
    ratio: ratio.toFixed(2),
    bound: `${wanted} ${holds ? 'holds' : 'BROKEN'}`,
  };
}

/** A line with a number of ours and the most it may be. */
export function limit(what: string, unit: string, value: number, most: number): Line {
  return {
    what,
    ours: `${show(value)} ${unit}`,
    theirs: '',
    ratio: '',
    bound: `<= ${most} ${value <= most ? 'holds' : 'BROKEN'}`,
  };
}

/** A line with a number of ours. */
export function note(what: string, unit: string, value: number): Line {
  return { what, ours: `${show(value)} ${unit}`, theirs: '', ratio: '', bound: '' };
}

/** Prints lines as a Markdown table. */
export function print(title: string, lines: Line[]): void {
  console.log(`\n### ${title}\n\n| what | Headwater | other | ratio | bound |\n|---|---|---|---|---|`);
  for (const line of lines) {
    console.log(`| ${line.what} | ${line.ours} | ${line.theirs} | ${line.ratio} | ${line.bound} |`);
  }
}

function show(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
