import type { Outcome } from '../../async/outcome.ts';
import { HeadwaterError } from '../../errors.ts';
import { memoryHeadLength, memoryNeeded } from '../../image/compression/memory-needed.ts';
import { defined } from '../../model/defined.ts';
import type { Findings } from './examination.ts';
import type { ExaminationPlaces } from './examination-places.ts';
import type { FileToExamine } from './examine-small.ts';
import type { PackedFile } from './intake-messages.ts';
import { LostThread } from './intake-thread.ts';
import type { IntakeThreads } from './intake-threads.ts';
import { type Failure, unpackFailure } from './thread-error.ts';

/** Bytes that go to a thread at a time, a file more or less. */
const batchSize = 1024 * 1024;

/** Examines small files that arrive together, in threads that get them in batches. */
export class IntakeBatches {
  readonly #threads: IntakeThreads;
  readonly #places: ExaminationPlaces;

  constructor(threads: IntakeThreads, places: ExaminationPlaces) {
    this.#threads = threads;
    this.#places = places;
  }

  /**
   * @param client whose files they are
   * @returns what became of each: the errors are those of {@link takeSmallFile}, of memory that is too much, and of threads
   */
  async take(files: readonly FileToExamine[], client: string): Promise<Outcome<Findings>[]> {
    const batches: FileToExamine[][] = [];
    let left = 0;
    for (const file of files) {
      if (left <= 0) {
        batches.push([]);
        left = batchSize;
      }
      batches.at(-1)?.push(file);
      left -= file.bytes.length;
    }
    return (await Promise.all(batches.map((batch) => this.#takeBatch(batch, client)))).flat();
  }

  async #takeBatch(batch: FileToExamine[], client: string): Promise<Outcome<Findings>[]> {
    const memory = batch.map(({ bytes }) => memoryNeeded(bytes.subarray(0, memoryHeadLength)));
    const excess = memory.map((bytes) => this.#excess(bytes));
    const allowed = batch.filter((_, index) => excess[index] === undefined);
    const most = Math.max(0, ...memory.filter((_, index) => excess[index] === undefined));
    const found = (await this.#outcomes(allowed, { client, memory: most })).values();
    return excess.map((error) => {
      if (error !== undefined) return { error };
      const { value } = found.next();
      if (value === undefined) throw new Error('an examination found nothing');
      return value;
    });
  }

  #excess(memory: number): HeadwaterError | undefined {
    try {
      this.#places.assertAllowed(memory);
      return undefined;
    } catch (error) {
      if (error instanceof HeadwaterError) return error;
      throw error;
    }
  }

  /** If a file ends its thread, the others are examined in another one. */
  async #outcomes(
    batch: FileToExamine[],
    request: { client: string; memory: number },
  ): Promise<Outcome<Findings>[]> {
    if (batch.length === 0) return [];
    const place = await this.#places.take({ kind: 'small', ...request });
    let lost: LostThread;
    try {
      return await this.#hand(batch);
    } catch (error) {
      if (!(error instanceof LostThread)) return batch.map(() => ({ error }));
      lost = error;
    } finally {
      place.release();
    }
    const others = batch.filter((_, index) => index !== lost.file);
    const outcomes = await this.#outcomes(others, request);
    outcomes.splice(lost.file, 0, { error: lost });
    return outcomes;
  }

  /** @throws the failure of the thread */
  async #hand(batch: FileToExamine[]): Promise<Outcome<Findings>[]> {
    return await new Promise((resolve, reject) => {
      const job = this.#threads.beginOwn({ type: 'small', ...pack(batch) }, (message) => {
        job.close(true);
        if (message instanceof Error) reject(message);
        else if (message.type === 'taken') resolve(message.outcomes.map(unpack));
      });
    });
  }
}

function unpack(outcome: { found: Findings } | { failure: Failure }): Outcome<Findings> {
  return 'found' in outcome ? { result: outcome.found } : { error: unpackFailure(outcome.failure) };
}

/** The files and their metadata, concatenated in memory that can be transferred. */
function pack(files: FileToExamine[]): { bytes: ArrayBuffer; files: PackedFile[] } {
  const places = new Map<Uint8Array, { start: number; end: number }>();
  let size = 0;
  const place = (bytes: Uint8Array) => {
    const known = places.get(bytes);
    if (known !== undefined) return known;
    const found = { start: size, end: size + bytes.length };
    places.set(bytes, found);
    size = found.end;
    return found;
  };
  const packed = files.map(({ bytes, after, into }) => ({
    ...place(bytes),
    ...(after === undefined ? {} : { after: place(after) }),
    ...defined({ into }),
  }));
  const all = new Uint8Array(size);
  for (const [bytes, { start }] of places) all.set(bytes, start);
  return { bytes: all.buffer, files: packed };
}
