import { type Outcome, onlyResult, outcomeOf } from '../../async/outcome.ts';
import { Semaphore } from '../../async/semaphore.ts';
import { SingleFlight } from '../../async/single-flight.ts';
import type { BlobStore } from '../../blobs/blob-store.ts';
import type { Catalog } from '../../catalog/catalog.ts';
import { isKind } from '../../errors.ts';
import { openFile } from '../../files/open-file.ts';
import { defined } from '../../model/defined.ts';
import type { MetadataFile, StoredFile } from '../../publish/destination/destination.ts';
import type { LocalDestination } from '../../publish/destination/local-destination.ts';
import type { Downloader } from '../upstream/downloader.ts';
import { atMostTwice, WrongBytes } from '../upstream/retry-elsewhere.ts';
import { allOf, checked, type ExpectedFile, type ExpectedFiles, isSmall, keyOf } from './expected-file.ts';
import { heldFile } from './held-file.ts';
import { Landing } from './partial-download.ts';
import { type BringOptions, SmallBlobDownloads } from './small-blob-downloads.ts';

/** What arrives of smaller files, in bytes, is not written down: they are fetched again sooner. */
const leastSpooled = 1024 * 1024;

interface DownloadOptions extends BringOptions {
  /** The metadata item of which the file is a root. */
  metadata?: MetadataFile;
}

/** Brings files of an upstream here, whole and checked. What is here is not fetched. */
export class BlobDownloads {
  readonly #destination: LocalDestination;
  readonly #store: BlobStore;
  readonly #downloader: Downloader;
  readonly #directory: string;
  readonly #small: SmallBlobDownloads;
  readonly #large: Semaphore;
  readonly #running = new SingleFlight<string, StoredFile>();
  #received = 0;

  /**
   * @param parts.directory where what arrived of large files waits for the rest, also across restarts
   * @param parts.concurrency how many large files come at a time
   * @param parts.mayBeStored whether the store may have small files that the catalog does not know
   */
  constructor(parts: {
    destination: LocalDestination;
    store: BlobStore;
    catalog: Catalog;
    downloader: Downloader;
    directory: string;
    concurrency: number;
    mayBeStored?: boolean;
  }) {
    this.#destination = parts.destination;
    this.#store = parts.store;
    this.#downloader = parts.downloader;
    this.#directory = parts.directory;
    this.#large = new Semaphore(parts.concurrency);
    this.#small = new SmallBlobDownloads({
      ...parts,
      mayBeStored: parts.mayBeStored ?? true,
      onReceived: (bytes) => {
        this.#received += bytes;
      },
    });
  }

  /** Bytes that crossed the network, also for nothing. */
  get received(): number {
    return this.#received;
  }

  /**
   * Brings the files of versions here. Wrong bytes are discarded, and fetched once more.
   * @returns of each version what its files are: the metadata, then roots and deltas; or what one of them failed with:
   * `invalid` when bytes are wrong again or no image file, and what downloading and stores throw
   * @throws HeadwaterError what failed for all of them
   */
  async downloadAll(
    versions: readonly ExpectedFiles[],
    options: BringOptions = {},
  ): Promise<Outcome<StoredFile[]>[]> {
    if (versions.every((version) => allOf(version).every(isSmall))) {
      return await this.#small.downloadAll(versions, options);
    }
    return await Promise.all(
      versions.map((version) => outcomeOf(() => this.#downloadEach(version, options))),
    );
  }

  /** Brings one file here, as {@link downloadAll}. */
  async download(file: ExpectedFile, options: DownloadOptions = {}): Promise<StoredFile> {
    if (isSmall(file)) {
      const [kept] = onlyResult(await this.#small.downloadAll([{ roots: [], deltas: [file] }], options));
      if (kept === undefined) throw new Error(`${file.path} was lost`);
      return kept;
    }
    // Versions share files: who comes second waits for the first.
    const kept = await this.#running.do(keyOf(file), () => this.#storeOrFetch(file, options));
    return { ...kept, name: file.path };
  }

  async #downloadEach(
    { metadata, roots, deltas }: ExpectedFiles,
    options: BringOptions,
  ): Promise<StoredFile[]> {
    const first = metadata === undefined ? undefined : await this.download(metadata, options);
    const ofRoots = { ...options, ...defined({ metadata: first }) };
    const kept = await Promise.all([
      ...roots.map((file) => this.download(file, ofRoots)),
      ...deltas.map((file) => this.download(file, options)),
    ]);
    return first === undefined ? kept : [first, ...kept];
  }

  async #storeOrFetch(file: ExpectedFile, options: DownloadOptions): Promise<StoredFile> {
    const held = await heldFile(file, this.#destination, options.progress);
    if (held !== undefined) return held;
    return (
      (await this.#stored(file, options)) ??
      (await atMostTwice((elsewhere) => this.#fetch(file, options, elsewhere)))
    );
  }

  /** A process was killed when the store had the bytes and the catalog did not know yet what they are. */
  async #stored(
    { path, size, sha256 }: ExpectedFile,
    options: DownloadOptions,
  ): Promise<StoredFile | undefined> {
    if (sha256 === undefined || (await this.#store.stat(sha256))?.size !== size) return undefined;
    const bytes = await this.#store.read(sha256);
    return await this.#destination.store(
      { from: 'stream', name: path, size, bytes, expectedDigest: sha256 },
      options,
    );
  }

  /** @throws WrongBytes, and nothing of them stays */
  async #fetch(file: ExpectedFile, options: DownloadOptions, elsewhere: boolean): Promise<StoredFile> {
    const { path, size, sha256, fingerprint } = file;
    const landing =
      sha256 !== undefined && size >= leastSpooled
        ? await Landing.claim(this.#directory, sha256, size)
        : undefined;
    const state = { elsewhere, failed: false };
    const bytes = checked(file, this.#arriving(file, landing, state, options.signal));
    try {
      const kept = await this.#destination.store(
        {
          from: 'stream',
          name: path,
          size,
          bytes,
          ...defined({ expectedDigest: sha256 }),
          ...(landing === undefined
            ? {}
            : { landing: { path: landing.path, from: landing.beginning.offset } }),
        },
        // The document that is believed for the digest is believed for the fingerprint: to compute that takes as long.
        options.metadata === undefined || fingerprint === undefined ? options : { ...options, fingerprint },
      );
      // What cannot be removed now goes with what nobody goes on with.
      await landing?.remove().catch(() => undefined);
      return kept;
    } catch (error) {
      // What arrived before the upstream or the store failed is worth keeping; wrong bytes are not.
      if (error instanceof WrongBytes || (isKind(error, 'invalid') && !state.failed)) {
        await landing?.remove().catch(() => undefined);
        throw error instanceof WrongBytes ? error : new WrongBytes(error.message, { cause: error });
      }
      await landing?.leave().catch(() => undefined);
      throw error;
    }
  }

  /** The bytes that are here already, then those that arrive. */
  async *#arriving(
    { path, size }: ExpectedFile,
    landing: Landing | undefined,
    state: { elsewhere: boolean; failed: boolean },
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array> {
    const beginning = landing?.beginning ?? { offset: 0 };
    if (landing !== undefined && beginning.offset > 0) yield* (await openFile(landing.path)).bytes;
    // The next one comes while this one is put in its place.
    const release = await this.#large.acquire();
    try {
      const reading = this.#downloader.read(
        { path, size },
        {
          ...beginning,
          elsewhere: state.elsewhere,
          ...defined({ signal }),
          ...(landing === undefined ? {} : { onOrigin: (origin) => landing.remember(origin) }),
        },
      );
      for await (const chunk of reading) {
        this.#received += chunk.length;
        yield chunk;
      }
    } catch (error) {
      state.failed = true;
      throw error;
    } finally {
      release();
    }
  }
}
