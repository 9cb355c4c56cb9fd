import { writeFile } from 'node:fs/promises';
import { diskError } from '../blobs/disk-error.ts';
import { Gathering } from '../gathering.ts';
import type { Found } from './examination.ts';
import { unpackFailure } from './failure.ts';
import type { IntakeThreads } from './intake-threads.ts';
import type { PackedFile } from './intake-worker.ts';
import { type SmallFile, takeSmallFile } from './take-small.ts';

/** From how many files on, on their way in at the same moment, a thread is started for them. */
const least = 24;
/** Bytes that go to the thread at a time, a file more or less. */
const batchSize = 1024 * 1024;

interface Waiting extends SmallFile {
  resolve: (found: Found) => void;
  reject: (error: unknown) => void;
}

/**
 * Takes small files in. Those that come at the same moment are handed to a thread together: a mirror run brings thousands
 * of them, and looking into one takes longer than all else that is done with it.
 */
export class IntakeBatches {
  readonly #threads: IntakeThreads;
  readonly #gathering = new Gathering<Waiting>(async (take) => this.#begin(take()));
  #inPlace = 0;

  constructor(threads: IntakeThreads) {
    this.#threads = threads;
  }

  /** @throws HeadwaterError as {@link takeSmallFile} */
  async take(file: SmallFile): Promise<Found> {
    return await new Promise<Found>((resolve, reject) => this.#gathering.add({ ...file, resolve, reject }));
  }

  #begin(files: Waiting[]): void {
    if (this.#inPlace + files.length < least && !this.#threads.haveSmall) {
      for (const file of files) void this.#takeInPlace(file);
      return;
    }
    while (files.length > 0) {
      const group: Waiting[] = [];
      for (let size = 0; size < batchSize; size += group.at(-1)?.bytes.length ?? 0) {
        const file = files.shift();
        if (file === undefined) break;
        group.push(file);
      }
      this.#hand(group);
    }
  }

  async #takeInPlace(file: Waiting): Promise<void> {
    this.#inPlace += 1;
    await takeSmallFile(file, create).then(file.resolve, file.reject);
    this.#inPlace -= 1;
  }

  #hand(group: Waiting[]): void {
    const job = this.#threads.begin('small', { type: 'small', ...pack(group) }, (message) => {
      job.close(true);
      if (message instanceof Error) {
        for (const { reject } of group) reject(message);
      } else if (message.type === 'taken') {
        for (const [index, outcome] of message.outcomes.entries()) {
          if ('found' in outcome) group[index]?.resolve(outcome.found);
          else group[index]?.reject(unpackFailure(outcome.failure));
        }
      }
    });
  }
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
  await writeFile(path, bytes, { flag: 'wx' }).catch((error: unknown) => {
    throw diskError(error, path, 'written');
  });
}
