import { createHash } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { createContext, Script } from 'node:vm';
import { type Outcome, outcomeOf } from '../../src/async/outcome.ts';
import { HeadwaterError, messageOf } from '../../src/errors.ts';
import { compressionMagicLength, detectCompression } from '../../src/image/compression/detect-compression.ts';
import type { Content } from '../../src/image/content.ts';
import { readMetadataFile } from '../../src/image/metadata/metadata.ts';
import { completeSquashfs } from '../../src/image/squashfs/squashfs-look.ts';
import { Intake } from '../../src/publish/intake/intake.ts';
import { LostThread } from '../../src/publish/intake/intake-thread.ts';

/**
 * How a mutant goes in:
 * - `whole`: with other small files, from memory.
 * - `streamed`: through the shared ring, as it arrives.
 * - `spooled`: by way of a file on the disk.
 * - `split`: as a unified virtual machine that is split.
 * - `text`: as the text of metadata.yaml.
 */
export type Way = 'whole' | 'streamed' | 'spooled' | 'split' | 'text';

/** A mutant, and how it goes in. */
export interface Trial {
  /** The seed that makes it. */
  number: number;
  /** What it was made of. */
  name: string;
  way: Way;
  bytes: Buffer;
}

/** Milliseconds without progress after which an examination hangs. */
const timeout = 10_000;

/** Has mutants examined, each its way. An outcome that is no {@link HeadwaterError} is a defect. */
export class Ways {
  readonly #directory: string;
  readonly #intake: Intake;
  /** Has the only place for streams of its client: all others of it go to the disk. */
  readonly #stalled = new Stalled();
  readonly #stalling: Promise<unknown>;

  /** @param directory where files may be written */
  constructor(directory: string) {
    this.#directory = directory;
    this.#intake = new Intake({ count: 6, memory: 2 ** 29, timeout, directory });
    const { bytes, examined } = this.#intake.pass(this.#stalled, { client: 'spooled' });
    this.#stalling = Promise.allSettled([readAll(bytes), examined]);
  }

  async close(): Promise<void> {
    this.#stalled.end();
    await this.#stalling;
    await this.#intake.close();
  }

  /** What becomes of each mutant. */
  async run(trials: readonly Trial[]): Promise<Outcome<unknown>[]> {
    const files = trials.filter(({ way }) => way !== 'split' && way !== 'text');
    const whole = await this.#intake.take(files, 'whole');
    const contents = new Map(
      files.map((trial, at) => {
        const outcome = whole[at] ?? { error: new Error('nothing became of it') };
        return [trial, 'error' in outcome ? outcome : { result: outcome.result.content }];
      }),
    );
    return await Promise.all(
      trials.map(async (trial) => {
        const alsoWhole = contents.get(trial);
        if (trial.way === 'split') return await outcomeOf(() => this.#split(trial.bytes));
        if (trial.way === 'text') return await outcomeOf(async () => readInTime(trial.bytes.toString()));
        if (alsoWhole === undefined || trial.way === 'whole') return alsoWhole ?? { result: undefined };
        return await outcomeOf(() => this.#pass(trial, alsoWhole));
      }),
    );
  }

  /** @param whole what the same bytes come to as a whole */
  async #pass({ number, way, bytes }: Trial, whole: Outcome<Content>): Promise<Content> {
    const into = number % 2 === 0 ? undefined : join(this.#directory, `${number}.part`);
    const passage = this.#intake.pass(chunksOf(bytes, 1 + (number % 70_000)), {
      client: way,
      patient: way === 'streamed',
      ...(into === undefined ? {} : { into: { path: into, from: 0 } }),
    });
    try {
      const outcome = await outcomeOf(async () => {
        const [passed, { digest, size, content }] = await Promise.all([
          readAll(passage.bytes),
          passage.examined,
        ]);
        const isSame = passed.equals(bytes) && (into === undefined || readFileSync(into).equals(bytes));
        const sha256 = createHash('sha256').update(bytes).digest('hex');
        if (!isSame || digest !== sha256 || size !== bytes.length) throw new Error('other bytes came out');
        return await completed(content, bytes);
      });
      assertAlike(whole, outcome);
      if ('error' in outcome) throw outcome.error;
      return outcome.result;
    } finally {
      if (into !== undefined) rmSync(into, { force: true });
    }
  }

  async #split(bytes: Buffer): Promise<void> {
    const compression = detectCompression(bytes.subarray(0, compressionMagicLength));
    const image = { client: 'split', compression, source: chunksOf(bytes, 50_000) };
    let announced: number | undefined;
    let passed = 0;
    await this.#intake.split(image, async (disk, size) => {
      announced = size;
      for await (const chunk of disk) passed += chunk.length;
    });
    if (announced !== passed) throw new Error(`a disk of ${announced} bytes came out with ${passed}`);
  }
}

/** A sender that stops in the middle of a tar archive. */
class Stalled {
  end: () => void = () => undefined;
  readonly #ended = new Promise<void>((resolve) => {
    this.end = resolve;
  });

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    // The first block of an xz stream says that there is more.
    yield Buffer.concat([Buffer.from('\xfd7zXZ\0\0\x04', 'latin1'), Buffer.alloc(600)]).subarray(0, 520);
    await this.#ended;
  }
}

async function completed(content: Content, bytes: Buffer): Promise<Content> {
  if (content.kind !== 'squashfs' || content.look === undefined) return content;
  return await completeSquashfs(content.look, async (start, length) => bytes.subarray(start, start + length));
}

/** Compares two outcomes, unless one of them is a defect by itself. */
function assertAlike(whole: Outcome<Content>, other: Outcome<Content>): void {
  if (isDefect(whole) || isDefect(other)) return;
  const isAlike =
    'error' in whole || 'error' in other
      ? 'error' in whole && 'error' in other
      : isDeepStrictEqual(whole.result, other.result);
  if (!isAlike) throw new Error(`as a whole it is ${told(whole)}, and here ${told(other)}`);
}

/** Whether it is neither a verdict on the file nor a refusal of it. */
export function isDefect(outcome: Outcome<unknown>): outcome is { error: unknown } {
  if (!('error' in outcome)) return false;
  return !(outcome.error instanceof HeadwaterError) || outcome.error instanceof LostThread;
}

function told(outcome: Outcome<Content>): string {
  return 'error' in outcome ? messageOf(outcome.error) : JSON.stringify(outcome.result);
}

const context = createContext({ work: () => undefined });
const script = new Script('work()');

/** Reads metadata.yaml. @throws Error where it takes too long */
function readInTime(text: string): void {
  let outcome: Outcome<unknown> = { error: new Error('it was not read') };
  context['work'] = () => {
    try {
      outcome = { result: readMetadataFile(text) };
    } catch (error) {
      outcome = { error };
    }
  };
  script.runInContext(context, { timeout });
  if ('error' in outcome) throw outcome.error;
}

async function* chunksOf(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function readAll(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}
