import { availableParallelism } from 'node:os';
import { type Outcome, onlyResult, withOutcomes } from '../../async/outcome.ts';
import { memoryNeeded, memoryOf } from '../../image/compression/memory-needed.ts';
import type { Compression } from '../../image/content.ts';
import type { TakeDisk } from '../../image/tar/unified.ts';
import { defined } from '../../model/defined.ts';
import { type Digest, parseDigest } from '../../model/digest.ts';
import { splitInThread } from '../split/split-thread.ts';
import type { ExaminationRequest } from './examination.ts';
import { ExaminationPlaces, type Place, TooMuchMemory } from './examination-places.ts';
import type { FileToExamine } from './examine-small.ts';
import { IntakeBatches } from './intake-batches.ts';
import { LostThread } from './intake-thread.ts';
import { IntakeThreads } from './intake-threads.ts';
import type { ExaminedFile, IntakeOptions, Passage, PassOptions, Sender } from './intake-types.ts';
import { passOn, type Sink, toExaminedFile } from './pass-on.ts';
import { SharedRingBuffer } from './shared-ring.ts';
import { SpooledExamination } from './spooled-examination.ts';

/** Files up to this many bytes are held in memory until they are examined as a whole. */
export const maxFileInMemory = 256 * 1024;

/** The slot size, in bytes, of rings for files that arrive beside others, so that many rings need little memory. */
const sharedSlotSize = 1024 * 1024;

/** A thread that used more memory than this for a file, in bytes, is not reused: it would not release all of it. */
const keptMemory = 40 * 1024 * 1024;

/**
 * The way in for bytes: hashes them and looks inside them in worker threads, while they pass or, where too many come
 * at the same time, once all of them have come.
 */
export class Intake {
  readonly #options: IntakeOptions;
  readonly #threads: IntakeThreads;
  readonly #places: ExaminationPlaces;
  readonly #batches: IntakeBatches;
  /** Files that are examined as they pass. */
  #rings = 0;

  constructor(options: IntakeOptions) {
    this.#options = options;
    this.#threads = new IntakeThreads({
      idleMost: Math.max(2, availableParallelism()),
      idleTimeout: options.timeout,
      program: options.program,
    });
    this.#places = new ExaminationPlaces(options);
    this.#batches = new IntakeBatches(this.#threads, this.#places);
  }

  /** The numbers of running and waiting examinations. */
  get load(): { running: number; waiting: number } {
    return { running: this.#places.running, waiting: this.#places.waiting };
  }

  /** Passes bytes of `source` on and examines them. */
  pass(source: AsyncIterable<Uint8Array>, options: PassOptions): Passage {
    let resolve: (examined: ExaminedFile) => void = () => undefined;
    let reject: (error: unknown) => void = () => undefined;
    const examined = new Promise<ExaminedFile>((onDone, onError) => {
      resolve = onDone;
      reject = (error) => {
        this.#noteRefusal(error, options);
        onError(error);
      };
    });
    examined.catch(() => undefined);
    const open = (head: Uint8Array, isWhole: boolean) => this.#sink(head, isWhole, options);
    return { bytes: passOn(source, open, resolve, reject), examined };
  }

  /**
   * Examines small files, and writes them where they are to be.
   * @param client whose files they are
   * @param address where the client is
   * @returns what became of each: `invalid` when it is no image file; what the disk failed with
   */
  async take(
    files: readonly FileToExamine[],
    client: string,
    address?: string,
  ): Promise<Outcome<ExaminedFile>[]> {
    return withOutcomes(files, await this.#batches.take(files, client)).map(
      ({ request: { bytes }, outcome }) => {
        if ('error' in outcome) {
          this.#noteRefusal(outcome.error, { client, ...defined({ address }) });
          return outcome;
        }
        return { result: toExaminedFile([outcome.result], bytes.length) };
      },
    );
  }

  /**
   * Hashes stored bytes, once for each prefix, in parallel threads.
   * @param prefixes a few: an empty one gives the digest of the bytes, a metadata item the fingerprint of its image
   * @returns for each prefix the SHA-256 of the prefix followed by the bytes
   * @throws the error of `bytes`
   */
  async hash(bytes: AsyncIterable<Uint8Array>, prefixes: readonly Uint8Array[]): Promise<Digest[]> {
    const ring = new SharedRingBuffer(
      this.#threads,
      prefixes.map((after) => ({ request: { identify: false, after }, shared: true })),
    );
    try {
      for await (const chunk of bytes) await ring.put(chunk);
    } catch (error) {
      await ring.abort();
      throw error;
    }
    return (await ring.end()).map(({ fingerprint }) => parseDigest(fingerprint ?? ''));
  }

  /**
   * Splits a unified virtual machine (`splitUnified`), as its bytes are read.
   * @param image.client whose it is
   * @throws HeadwaterError what `splitUnified`, `source` and `takeDisk` throw
   */
  async split(
    image: { client: string; compression: Compression; source: AsyncIterable<Uint8Array> },
    takeDisk: TakeDisk,
  ): Promise<Uint8Array> {
    const { client, compression } = image;
    const memory = memoryOf(compression);
    const place = await this.#places.take({ kind: 'whole', client, memory });
    try {
      // The disk is examined meanwhile, or afterwards, when it may need the place.
      return await splitInThread(this.#threads, image, takeDisk, { onUnpacked: () => place.release() });
    } finally {
      place.release();
    }
  }

  async close(): Promise<void> {
    await this.#threads.close();
  }

  /** @param head the first bytes. @param isWhole whether there are no others */
  async #sink(head: Uint8Array, isWhole: boolean, options: PassOptions): Promise<Sink> {
    const { client, metadata, size } = options;
    const after = metadata === undefined ? {} : { after: metadata };
    if (isWhole || (size !== undefined && size <= maxFileInMemory)) return this.#whole(client, after);
    const memory = memoryNeeded(head);
    this.#places.assertAllowed(memory);
    const keep = memory <= keptMemory;
    if (options.patient === true) {
      return this.#ring(await this.#places.take({ kind: 'whole', client, memory }), options, keep);
    }
    const place = this.#places.tryTake({ kind: 'streaming', client, memory });
    if (place !== undefined) return this.#ring(place, options, keep);
    return this.#spooled(options, { memory, keep });
  }

  /** Examines few bytes when all have arrived. */
  #whole(client: string, after: { after?: Uint8Array }): Sink {
    const chunks: Uint8Array[] = [];
    return {
      put: async (chunk) => void chunks.push(Buffer.from(chunk)),
      end: async () => [
        onlyResult(await this.#batches.take([{ bytes: Buffer.concat(chunks), ...after }], client)),
      ],
      abort: () => Promise.resolve(),
    };
  }

  /** Examines bytes as they pass. */
  #ring(place: Place, { metadata, into }: PassOptions, keep: boolean): Sink {
    // The two hashes of a root are two passes over its bytes: a thread each, unless other files keep threads busy.
    const busy = this.#rings > 0;
    const alone = metadata === undefined || busy ? undefined : metadata;
    const request: ExaminationRequest = {
      identify: true,
      ...defined({ into, unpackedDigest: this.#options.unpackedDigests }),
      ...(metadata === undefined || !busy ? {} : { after: metadata }),
    };
    const ring = new SharedRingBuffer(
      this.#threads,
      [
        { request, shared: false, keep },
        ...(alone === undefined ? [] : [{ request: { identify: false, after: alone }, shared: true }]),
      ],
      busy ? { slotSize: sharedSlotSize } : {},
    );
    this.#rings += 1;
    let open = true;
    const done = () => {
      if (open) this.#rings -= 1;
      open = false;
      place.release();
    };
    return {
      put: (chunk) => ring.put(chunk),
      end: () => ring.end().finally(done),
      abort: () => ring.abort().finally(done),
    };
  }

  /** Stores bytes on the disk until all have arrived and a place is free. */
  #spooled(options: PassOptions, { memory, keep }: { memory: number; keep: boolean }): Sink {
    const { client, metadata, into, path } = options;
    const { directory } = this.#options;
    const lies = into !== undefined ? { into } : path !== undefined ? { path } : { directory };
    const spooled = new SpooledExamination(lies);
    const { unpackedDigests: unpackedDigest } = this.#options;
    const request = { identify: true, ...defined({ after: metadata, unpackedDigest }) };
    return {
      put: (chunk) => spooled.put(chunk),
      end: async () => {
        await spooled.close();
        const place = await this.#places.take({ kind: 'whole', client, memory });
        try {
          return [await spooled.examine(this.#threads, request, { keep })];
        } finally {
          place.release();
          await spooled.discard();
        }
      },
      abort: () => spooled.discard(),
    };
  }

  #noteRefusal(error: unknown, { client, address }: Sender): void {
    if (!(error instanceof LostThread) && !(error instanceof TooMuchMemory)) return;
    const { limit } = error;
    this.#options.onRefused?.({ client, ...defined({ address }), limit, error });
  }
}
