import { createHash } from 'node:crypto';
import type { BlobStore } from '../blobs/blob-store.ts';
import type { Digest } from '../blobs/digest.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { HeadwaterError } from '../errors.ts';
import type { KeptFile } from '../publish/destination.ts';
import { smallFile } from '../publish/intake.ts';
import type { LocalDestination } from '../publish/local-destination.ts';
import { openFile } from '../publish/read-file.ts';
import type { Progress } from '../publish/request.ts';
import { Spool } from '../publish/spool.ts';
import type { Downloader } from './downloader.ts';
import { Landing } from './landing.ts';
import { isWrongFile } from './upstream-requests.ts';

/** What arrives of smaller files, in bytes, is not written down: they are fetched again sooner. */
const leastSpooled = 1024 * 1024;

/** A file of an upstream, by the best digest that its document gives. */
interface ExpectedFile {
  path: string;
  size: number;
  sha256?: Digest;
  sha512?: string;
  md5?: string;
}

/** One of at most two tries to fetch a file. */
interface Attempt {
  /** Bytes of it that crossed the network, in both. */
  received: { bytes: number };
  /** Ask the addresses in another order. */
  elsewhere: boolean;
}

interface KeepOptions {
  /** The metadata item of which the file is a root: its fingerprint is computed while the bytes pass. */
  metadata?: KeptFile;
  progress?: Progress;
  signal?: AbortSignal;
}

/** Brings files of an upstream here, whole and checked. What is here is not fetched. */
export class BlobKeeper {
  readonly #destination: LocalDestination;
  readonly #store: BlobStore;
  readonly #catalog: Catalog;
  readonly #downloader: Downloader;
  readonly #directory: string;
  readonly #running = new Map<string, Promise<KeptFile & { fetched: number }>>();
  #received = 0;

  /** @param parts.directory where what arrived of large files waits for the rest, also across restarts */
  constructor(parts: {
    destination: LocalDestination;
    store: BlobStore;
    catalog: Catalog;
    downloader: Downloader;
    directory: string;
  }) {
    this.#destination = parts.destination;
    this.#store = parts.store;
    this.#catalog = parts.catalog;
    this.#downloader = parts.downloader;
    this.#directory = parts.directory;
  }

  /** Bytes that crossed the network, also for nothing. */
  get received(): number {
    return this.#received;
  }

  /**
   * Brings a file here. Wrong bytes are discarded, and fetched once more.
   * @returns what it is, with the bytes that crossed the network
   * @throws HeadwaterError `invalid` when the bytes are wrong again or no image file, and what downloading and stores
   * throw
   */
  async keep(file: ExpectedFile, options: KeepOptions = {}): Promise<KeptFile & { fetched: number }> {
    const key = file.sha256 ?? file.path;
    const running = this.#running.get(key);
    // Versions share files: who comes second waits for the first.
    if (running !== undefined) return { ...(await running), fetched: 0 };
    const keeping = this.#keep(file, options);
    this.#running.set(key, keeping);
    return await keeping.finally(() => this.#running.delete(key));
  }

  async #keep(file: ExpectedFile, options: KeepOptions): Promise<KeptFile & { fetched: number }> {
    const held = await this.#held(file, options);
    if (held !== undefined) {
      options.progress?.({ file: file.path, done: file.size, total: file.size });
      return { ...held, fetched: 0 };
    }
    const received = { bytes: 0 };
    try {
      return await this.#fetch(file, options, { received, elsewhere: false });
    } catch (error) {
      if (!(error instanceof WrongBytes)) throw error;
      return await this.#fetch(file, options, { received, elsewhere: true }).catch((failure: unknown) => {
        throw failure instanceof WrongBytes ? failure.cause : failure;
      });
    }
  }

  /** The file, when its bytes are here. */
  async #held(file: ExpectedFile, options: KeepOptions): Promise<KeptFile | undefined> {
    const { path, size, sha256 } = file;
    if (sha256 === undefined) return undefined;
    if ((await this.#catalog.blobs.find(sha256)) !== undefined) {
      try {
        return await this.#destination.keep({ from: 'blob', name: path, digest: sha256 });
      } catch (error) {
        if (!(error instanceof HeadwaterError) || error.kind !== 'not-found') throw error;
      }
    }
    // A process was killed when the store had the bytes and the catalog did not know yet what they are.
    const stored = await this.#store.stat(sha256);
    if (stored?.size !== size) return undefined;
    const bytes = await this.#store.read(sha256);
    const { metadata } = options;
    return await this.#destination.keep(
      { from: 'stream', name: path, size, bytes, expectedDigest: sha256 },
      metadata === undefined ? {} : { metadata },
    );
  }

  /** @throws WrongBytes, and nothing of them stays */
  async #fetch(
    file: ExpectedFile,
    options: KeepOptions,
    attempt: Attempt,
  ): Promise<KeptFile & { fetched: number }> {
    const { path, size, sha256 } = file;
    const { metadata, progress } = options;
    const landing =
      sha256 !== undefined && size >= leastSpooled
        ? await Landing.claim(this.#directory, sha256, size)
        : undefined;
    const state = { ...attempt, failed: false };
    const bytes = checked(file, this.#arriving(file, landing, state, options.signal));
    const expected = { name: path, ...(sha256 === undefined ? {} : { expectedDigest: sha256 }) };
    try {
      const kept = await this.#destination.keep(
        size <= smallFile
          ? { ...expected, from: 'memory', bytes: await gathered(bytes) }
          : {
              ...expected,
              from: 'stream',
              size,
              bytes,
              ...(landing === undefined ? {} : { landing: landing.path }),
            },
        { ...(metadata === undefined ? {} : { metadata }), ...(progress === undefined ? {} : { progress }) },
      );
      // What cannot be removed now goes with what nobody goes on with.
      await landing?.remove().catch(() => undefined);
      return { ...kept, fetched: attempt.received.bytes };
    } catch (error) {
      // What arrived before the upstream or the store failed is worth keeping; wrong bytes are not.
      if (
        isWrongFile(error) ||
        (error instanceof HeadwaterError && error.kind === 'invalid' && !state.failed)
      ) {
        await landing?.remove().catch(() => undefined);
        throw new WrongBytes(error);
      }
      await landing?.leave().catch(() => undefined);
      throw error;
    }
  }

  /** The bytes that are here already, then those that arrive, written down as they pass. */
  async *#arriving(
    { path, size }: ExpectedFile,
    landing: Landing | undefined,
    state: { received: { bytes: number }; elsewhere: boolean; failed: boolean },
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array> {
    const beginning = landing?.beginning ?? { offset: 0 };
    if (landing !== undefined && beginning.offset > 0) yield* (await openFile(landing.path)).bytes;
    const spool = landing === undefined ? undefined : await Spool.open(landing.path, beginning.offset);
    try {
      const reading = this.#downloader.read(
        { path, size },
        {
          ...beginning,
          elsewhere: state.elsewhere,
          ...(signal === undefined ? {} : { signal }),
          ...(landing === undefined ? {} : { onOrigin: (origin) => landing.remember(origin) }),
        },
      );
      for await (const chunk of reading) {
        state.received.bytes += chunk.length;
        this.#received += chunk.length;
        await spool?.write(chunk);
        yield chunk;
      }
    } catch (error) {
      state.failed = true;
      throw error;
    } finally {
      await spool?.close();
    }
  }
}

/** The bytes that came are not those of the file. */
class WrongBytes extends Error {
  override readonly cause: HeadwaterError;

  constructor(cause: HeadwaterError) {
    super(cause.message);
    this.cause = cause;
  }
}

async function gathered(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Checks the digest that a document gives in place of a SHA-256, as the bytes pass. */
async function* checked(
  { path, sha256, sha512, md5 }: ExpectedFile,
  bytes: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const [algorithm, expected] = sha512 === undefined ? ['md5', md5] : ['sha512', sha512];
  if (sha256 !== undefined || expected === undefined) {
    yield* bytes;
    return;
  }
  const hash = createHash(algorithm);
  for await (const chunk of bytes) {
    hash.update(chunk);
    yield chunk;
  }
  const found = hash.digest('hex');
  if (found === expected) return;
  throw new HeadwaterError('invalid', `${path}: its ${algorithm} is ${found}, but ${expected} was announced`);
}
