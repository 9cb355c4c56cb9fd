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
import { PartialDownload } from './partial-download.ts';
import { type DownloadOptions, SmallBlobDownloads } from './small-blob-downloads.ts';

/** From how many bytes on a partial download is kept. Smaller files are downloaded again instead. */
const minPartialSize = 1024 * 1024;

interface FileOptions extends DownloadOptions {
  /** The metadata item that the file is a root of. */
  metadata?: MetadataFile;
}

/** Downloads files of an upstream into the store, complete and verified. Stored files are not downloaded again. */
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
   * @param services.directory for partial downloads of large files, which survive restarts
   * @param services.concurrency how many large files are downloaded at a time
   * @param services.mayBeStored whether the store may have small files that the catalog does not know
   */
  constructor(services: {
    destination: LocalDestination;
    store: BlobStore;
    catalog: Catalog;
    downloader: Downloader;
    directory: string;
    concurrency: number;
    mayBeStored?: boolean;
  }) {
    this.#destination = services.destination;
    this.#store = services.store;
    this.#downloader = services.downloader;
    this.#directory = services.directory;
    this.#large = new Semaphore(services.concurrency);
    this.#small = new SmallBlobDownloads({
      ...services,
      mayBeStored: services.mayBeStored ?? true,
      onReceived: (bytes) => {
        this.#received += bytes;
      },
    });
  }

  /** How many bytes arrived, also of failed attempts. */
  get received(): number {
    return this.#received;
  }

  /**
   * Downloads the files of versions. Wrong bytes are discarded and downloaded once more.
   * @returns for each version its stored files (the metadata, then roots and deltas), or the error of one of them:
   * `invalid` when the bytes are wrong again or not an image file, and the errors of downloads and stores
   * @throws HeadwaterError an error that concerns all of them
   */
  async downloadAll(
    versions: readonly ExpectedFiles[],
    options: DownloadOptions = {},
  ): Promise<Outcome<StoredFile[]>[]> {
    if (versions.every((version) => allOf(version).every(isSmall))) {
      return await this.#small.download(versions, options);
    }
    return await Promise.all(
      versions.map((version) => outcomeOf(() => this.#downloadEach(version, options))),
    );
  }

  /** Downloads one file, as {@link downloadAll}. */
  async download(file: ExpectedFile, options: FileOptions = {}): Promise<StoredFile> {
    if (isSmall(file)) {
      const [kept] = onlyResult(await this.#small.download([{ roots: [], deltas: [file] }], options));
      if (kept === undefined) throw new Error(`${file.path} was lost`);
      return kept;
    }
    // Versions may share files.
    const kept = await this.#running.do(keyOf(file), () => this.#storedOrDownloaded(file, options));
    return { ...kept, name: file.path };
  }

  async #downloadEach(
    { metadata, roots, deltas }: ExpectedFiles,
    options: DownloadOptions,
  ): Promise<StoredFile[]> {
    const first = metadata === undefined ? undefined : await this.download(metadata, options);
    const ofRoots = { ...options, ...defined({ metadata: first }) };
    const kept = await Promise.all([
      ...roots.map((file) => this.download(file, ofRoots)),
      ...deltas.map((file) => this.download(file, options)),
    ]);
    return first === undefined ? kept : [first, ...kept];
  }

  async #storedOrDownloaded(file: ExpectedFile, options: FileOptions): Promise<StoredFile> {
    const held = await heldFile(file, this.#destination, options.progress);
    if (held !== undefined) return held;
    return (
      (await this.#stored(file, options)) ??
      (await atMostTwice((elsewhere) => this.#fetch(file, options, elsewhere)))
    );
  }

  /** Finds bytes that a killed process stored and did not record in the catalog. Damaged bytes are downloaded again. */
  async #stored({ path, size, sha256 }: ExpectedFile, options: FileOptions): Promise<StoredFile | undefined> {
    if (sha256 === undefined || (await this.#store.stat(sha256))?.size !== size) return undefined;
    const bytes = await this.#store.read(sha256);
    try {
      return await this.#destination.store(
        { from: 'stream', name: path, size, bytes, expectedDigest: sha256 },
        options,
      );
    } catch (error) {
      if (isKind(error, 'invalid')) return undefined;
      throw error;
    }
  }

  /** @throws WrongBytes after it has discarded them */
  async #fetch(file: ExpectedFile, options: FileOptions, elsewhere: boolean): Promise<StoredFile> {
    const { path, size, sha256 } = file;
    const partial =
      sha256 !== undefined && size >= minPartialSize
        ? await PartialDownload.claim(this.#directory, sha256, size)
        : undefined;
    const state = { elsewhere, failed: false };
    const bytes = checked(file, this.#arriving(file, partial, state, options.signal));
    try {
      const kept = await this.#destination.store(
        {
          from: 'stream',
          name: path,
          size,
          bytes,
          ...defined({ expectedDigest: sha256 }),
          ...(partial === undefined
            ? {}
            : { landing: { path: partial.path, from: partial.beginning.offset } }),
        },
        options,
      );
      // If it cannot be removed now, it is removed with the stale partial downloads.
      await partial?.remove().catch(() => undefined);
      return kept;
    } catch (error) {
      // A partial download is kept when the upstream or the store failed, and discarded when its bytes are wrong.
      if (error instanceof WrongBytes || (isKind(error, 'invalid') && !state.failed)) {
        await partial?.remove().catch(() => undefined);
        throw error instanceof WrongBytes ? error : new WrongBytes(error.message, { cause: error });
      }
      await partial?.leave().catch(() => undefined);
      throw error;
    }
  }

  /** The bytes of the partial download, then those that arrive. */
  async *#arriving(
    { path, size }: ExpectedFile,
    partial: PartialDownload | undefined,
    state: { elsewhere: boolean; failed: boolean },
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array> {
    const beginning = partial?.beginning ?? { offset: 0 };
    if (partial !== undefined && beginning.offset > 0) yield* (await openFile(partial.path)).bytes;
    // The next download starts while this file is being stored.
    const release = await this.#large.acquire();
    try {
      const reading = this.#downloader.read(
        { path, size },
        {
          ...beginning,
          elsewhere: state.elsewhere,
          ...defined({ signal }),
          ...(partial === undefined ? {} : { onOrigin: (origin) => partial.remember(origin) }),
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
