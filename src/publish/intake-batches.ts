import { writeFile } from 'node:fs/promises';
import { diskError } from '../blobs/disk-error.ts';
import { type Outcome, outcomeOf } from '../outcome.ts';
import type { Found } from './examination.ts';
import { type Failure, unpackFailure } from './failure.ts';
import type { IntakeThreads } from './intake-threads.ts';
import type { PackedFile } from './intake-worker.ts';
import { type SmallFile, takeSmallFile } from './take-small.ts';

/** From how many files on, that come together, a thread is started for them. */
const least = 24;
/** Bytes that go to the thread at a time, a file more or less. */
const batchSize = 1024 * 1024;

/**
 * Takes small files in that come together. Many are handed to a thread: a mirror run brings thousands of them, and looking
 * into one takes longer than all else that is done with it.
 */
export class IntakeBatches {
  readonly #threads: IntakeThreads;

  constructor(threads: IntakeThreads) {
    this.#threads = threads;
  }

  /** @returns what became of each: the errors are those of {@link takeSmallFile}. @throws what became of the thread */
  async take(files: readonly SmallFile[]): Promise<Outcome<Found>[]> {
    if (files.length < least && !this.#threads.haveSmall) {
      return await Promise.all(files.map((file) => outcomeOf(() => takeSmallFile(file, create))));
    }
    const batches: SmallFile[][] = [];
    let left = 0;
    for (const file of files) {
      if (left <= 0) {
        batches.push([]);
        left = batchSize;
      }
      batches.at(-1)?.push(file);
      left -= file.bytes.length;
    }
    return (await Promise.all(batches.map((batch) => this.#hand(batch)))).flat();
  }

  /** @throws what became of the thread */
  async #hand(batch: SmallFile[]): Promise<Outcome<Found>[]> {
    return await new Promise((resolve, reject) => {
      const job = this.#threads.begin('small', { type: 'small', ...pack(batch) }, (message) => {
        job.close(true);
        if (message instanceof Error) reject(message);
        else if (message.type === 'taken') resolve(message.outcomes.map(unpack));
      });
    });
  }
}

function unpack(outcome: { found: Found } | { failure: Failure }): Outcome<Found> {
  return 'found' in outcome ? { result: outcome.found } : { error: unpackFailure(outcome.failure) };
}

/** The files and what they come after, one behind the other in memory that can change hands. */
function pack(files: SmallFile[]): { bytes: ArrayBuffer; files: PackedFile[] } {
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
    ...(into === undefined ? {} : { into }),
  }));
  const all = new Uint8Array(size);
  for (const [bytes, { start }] of places) all.set(bytes, start);
  return { bytes: all.buffer, files: packed };
}

async function create(path: string, bytes: Uint8Array): Promise<void> {
  await writeFile(path, bytes, { flag: 'wx', mode: 0o600 }).catch((error: unknown) => {
    throw diskError(error, path, 'written');
  });
}
