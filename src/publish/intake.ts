import { type Digest, parseDigest } from '../blobs/digest.ts';
import { HeadwaterError } from '../errors.ts';
import type { Content } from '../image/content.ts';
import { isQcow2, isSquashfs } from '../image/magic.ts';
import { type Outcome, withOutcomes } from '../outcome.ts';
import type { Examine, Found } from './examination.ts';
import { IntakeBatches } from './intake-batches.ts';
import { IntakeThreads } from './intake-threads.ts';
import type { WriteDown } from './landing-file.ts';
import { Ring } from './ring.ts';
import { examineSmallFile, type SmallFile } from './take-small.ts';

/** Files up to this many bytes are examined where they are: cheaper than handing them to a thread. */
export const smallFile = 256 * 1024;

/** Bytes of a slot of the rings of files that come beside others, so that many of them take little memory. */
const sharedSlotSize = 1024 * 1024;

/** What the bytes that passed were. */
export interface Examined {
  digest: Digest;
  /** Bytes. */
  size: number;
  content: Content;
  /** sha256(metadata bytes, then these bytes), when metadata was given. */
  fingerprint?: Digest;
}

/** Bytes on their way from a source to a store. */
export interface Passage {
  /** The bytes, to be read once and to the end. They fail when the source fails or when they are no image file. */
  bytes: AsyncIterable<Uint8Array>;
  /** Settles after the last byte. A failure is also the failure of `bytes`, so nobody has to wait for both. */
  examined: Promise<Examined>;
}

interface PassOptions {
  metadata?: Uint8Array;
  size?: number;
  into?: WriteDown;
}

interface Sink {
  put(chunk: Uint8Array): Promise<void>;
  end(): Promise<Found[]>;
  abort(): Promise<void>;
}

/**
 * The way in for bytes: hashes them and looks inside them while they pass, in worker threads unless there are few.
 */
export class Intake {
  readonly #threads = new IntakeThreads(8);
  readonly #batches = new IntakeBatches(this.#threads);
  /** Files that threads are examining. */
  #rings = 0;

  /**
   * Lets bytes pass from `source` and examines them.
   * @param options.metadata the bytes of the metadata item that they are a root of, for the fingerprint
   * @param options.size how many bytes are expected, when known
   * @param options.into a file where they are written down as they pass; of a source that fails, too. Not of small ones
   */
  pass(source: AsyncIterable<Uint8Array>, options: PassOptions = {}): Passage {
    let resolve: (examined: Examined) => void = () => undefined;
    let reject: (error: unknown) => void = () => undefined;
    const examined = new Promise<Examined>((onDone, onError) => {
      resolve = onDone;
      reject = onError;
    });
    examined.catch(() => undefined);
    const open = (head: Uint8Array) => this.#sink(head, options);
    return { bytes: passOn(source, open, resolve, reject), examined };
  }

  /**
   * Examines small files, and writes them where they are to be.
   * @returns what became of each: `invalid` when it is no image file; what the disk failed with
   */
  async take(files: readonly SmallFile[]): Promise<Outcome<Examined>[]> {
    return withOutcomes(files, await this.#batches.take(files)).map(({ request: { bytes }, outcome }) =>
      'error' in outcome ? outcome : { result: toExamined([outcome.result], bytes.length) },
    );
  }

  /** sha256(metadata bytes, then root bytes) of bytes that are kept already. */
  async fingerprint(metadata: Uint8Array, root: AsyncIterable<Uint8Array>): Promise<Digest> {
    const ring = new Ring(this.#threads, [{ identify: false, after: metadata }], { kind: 'shared' });
    try {
      for await (const chunk of root) await ring.put(chunk);
    } catch (error) {
      await ring.abort();
      throw error;
    }
    const [found] = await ring.end();
    return parseDigest(found?.fingerprint ?? '');
  }

  async close(): Promise<void> {
    await this.#threads.close();
  }

  /** @param head the first bytes, as they came */
  #sink(head: Uint8Array, options: PassOptions): Sink {
    const after = options.metadata === undefined ? {} : { after: options.metadata };
    if (options.size !== undefined && options.size <= smallFile) return inPlace(after);
    // The two hashes of a root are two passes over its bytes: a thread each, unless other files keep threads busy.
    const kind = isOnlyHashed(head) ? 'shared' : 'own';
    const busy = this.#rings > 0;
    const into = options.into === undefined ? {} : { into: options.into };
    const examinations: Examine[] = [{ identify: true, ...into, ...(busy ? after : {}) }];
    if (!busy && options.metadata !== undefined) {
      examinations.push({ identify: false, after: options.metadata });
    }
    const ring = new Ring(this.#threads, examinations, {
      kind,
      ...(busy ? { slotSize: sharedSlotSize } : {}),
    });
    this.#rings += 1;
    return counted(ring, () => {
      this.#rings -= 1;
    });
  }
}

/** Tells, once, when a sink is done with. */
function counted(sink: Sink, onDone: () => void): Sink {
  let open = true;
  const done = () => {
    if (open) onDone();
    open = false;
  };
  return {
    put: (chunk) => sink.put(chunk),
    end: () => sink.end().finally(done),
    abort: () => sink.abort().finally(done),
  };
}

/**
 * Examines few bytes when all of them are here. The xz library takes one stream at a time in a thread, so a sender
 * that stops half way must not hold it up.
 */
function inPlace(after: { after?: Uint8Array }): Sink {
  const chunks: Uint8Array[] = [];
  return {
    put: async (chunk) => void chunks.push(Buffer.from(chunk)),
    end: async () => [await examineSmallFile({ bytes: Buffer.concat(chunks), ...after })],
    abort: () => Promise.resolve(),
  };
}

/** @param open makes the sink, when the first bytes have come */
async function* passOn(
  source: AsyncIterable<Uint8Array>,
  open: (head: Uint8Array) => Sink,
  resolve: (examined: Examined) => void,
  reject: (error: unknown) => void,
): AsyncGenerator<Uint8Array> {
  let size = 0;
  let sink: Sink | undefined;
  let ended = false;
  let failure: unknown;
  try {
    for await (const chunk of source) {
      size += chunk.length;
      sink ??= open(chunk);
      await sink.put(chunk);
      yield chunk;
    }
    sink ??= open(new Uint8Array());
    const found = await sink.end();
    ended = true;
    resolve(toExamined(found, size));
  } catch (error) {
    failure = error;
    throw error;
  } finally {
    if (!ended) await sink?.abort();
    if (!ended)
      reject(failure ?? new HeadwaterError('aborted', 'the receiver left before the end of the file'));
  }
}

/** Whether a file with this beginning is only hashed, and its tables looked at, but not unpacked. */
function isOnlyHashed(head: Uint8Array): boolean {
  return isSquashfs(head) || isQcow2(head);
}

function toExamined(found: Found[], size: number): Examined {
  const { digest, content, fingerprint } = Object.assign({}, ...found) as Found;
  if (digest === undefined || content === undefined) throw new Error('an examination found nothing');
  return {
    digest: parseDigest(digest),
    size,
    content,
    ...(fingerprint === undefined ? {} : { fingerprint: parseDigest(fingerprint) }),
  };
}
