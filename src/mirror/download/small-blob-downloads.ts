import { hash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { type Outcome, outcomeOf, resultOf, withOutcomes } from '../../async/outcome.ts';
import { SingleFlight } from '../../async/single-flight.ts';
import type { BlobStore } from '../../blobs/blob-store.ts';
import type { Catalog } from '../../catalog/catalog.ts';
import { defined } from '../../model/defined.ts';
import { parseDigest } from '../../model/digest.ts';
import type { MetadataFile, StoredFile } from '../../publish/destination/destination.ts';
import type { LocalDestination, SmallInput } from '../../publish/destination/local-destination.ts';
import type { Progress } from '../../publish/request.ts';
import type { Downloader } from '../upstream/downloader.ts';
import { atMostTwice } from '../upstream/retry-elsewhere.ts';
import { allOf, assertExpected, type ExpectedFile, type ExpectedFiles, keyOf } from './expected-file.ts';
import { heldFile } from './held-file.ts';

/** How files are downloaded. */
export interface DownloadOptions {
  progress?: Progress;
  signal?: AbortSignal;
}

export interface SmallBlobOptions {
  destination: LocalDestination;
  store: BlobStore;
  catalog: Catalog;
  downloader: Downloader;
  /**
   * Whether the store may have files that the catalog does not know, because a process was killed between the two.
   * Otherwise the store is not asked for each file.
   */
  mayBeStored: boolean;
  /** Called with the number of bytes that arrived. */
  onReceived: (bytes: number) => void;
}

/** Downloads small files of several versions in batches: most of their cost is the round trip. */
export class SmallBlobDownloads {
  readonly #services: SmallBlobOptions;
  readonly #running = new SingleFlight<string, Buffer>();

  constructor(services: SmallBlobOptions) {
    this.#services = services;
  }

  /**
   * Downloads the files of versions. Wrong bytes are discarded and downloaded once more.
   * @returns for each version its stored files in the order of `allOf`, or the error of one of them: `invalid` when the
   * bytes are wrong again or not an image file, and the errors of downloads and stores
   * @throws HeadwaterError an error that concerns all of them
   */
  async download(
    versions: readonly ExpectedFiles[],
    options: DownloadOptions = {},
  ): Promise<Outcome<StoredFile[]>[]> {
    const files = [...new Map(versions.flatMap(allOf).map((file) => [keyOf(file), file])).values()];
    const kept = await this.#held(files, options);
    const missing = files.filter((file) => !kept.has(keyOf(file)));
    const fetched = await Promise.all(
      missing.map((file) => outcomeOf(() => this.#bytes(file, options.signal))),
    );
    const arrived = new Map<string, Buffer>();
    for (const { request: file, outcome } of withOutcomes(missing, fetched)) {
      if ('error' in outcome) kept.set(keyOf(file), outcome);
      else arrived.set(keyOf(file), outcome.result);
    }
    for (const [key, outcome] of await this.#storeArrived(versions, { kept, arrived }, options))
      kept.set(key, outcome);
    return await Promise.all(
      versions.map((version) =>
        outcomeOf(() =>
          allOf(version).map((file) => {
            const outcome = kept.get(keyOf(file));
            if (outcome === undefined) throw new Error(`${file.path} was lost`);
            return { ...resultOf(outcome), name: file.path };
          }),
        ),
      ),
    );
  }

  /** The files that are stored already, and those for which the store or the catalog failed. */
  async #held(
    files: readonly ExpectedFile[],
    { progress }: DownloadOptions,
  ): Promise<Map<string, Outcome<StoredFile>>> {
    const { catalog, destination } = this.#services;
    const known = await catalog.blobs.findAll(files.flatMap(({ sha256 }) => sha256 ?? []));
    const likely = files.filter(({ sha256 }) => sha256 !== undefined && known.has(sha256));
    const looked = await Promise.all(
      likely.map((file) => outcomeOf(() => heldFile(file, destination, progress))),
    );
    const held = new Map<string, Outcome<StoredFile>>();
    for (const { request, outcome } of withOutcomes(likely, looked)) {
      if ('error' in outcome) held.set(keyOf(request), outcome);
      else if (outcome.result !== undefined) held.set(keyOf(request), { result: outcome.result });
    }
    return held;
  }

  async #storeArrived(
    versions: readonly ExpectedFiles[],
    { kept, arrived }: { kept: Map<string, Outcome<StoredFile>>; arrived: Map<string, Buffer> },
    { progress }: DownloadOptions,
  ): Promise<Map<string, Outcome<StoredFile>>> {
    const inputs = new Map<string, SmallInput>();
    for (const version of versions) {
      const metadata =
        version.metadata === undefined ? undefined : asMetadata(version.metadata, { kept, arrived });
      for (const file of allOf(version)) {
        const [key, bytes] = [keyOf(file), arrived.get(keyOf(file))];
        if (bytes === undefined || inputs.has(key)) continue;
        const { path, sha256 } = file;
        inputs.set(key, {
          file: {
            from: 'memory',
            name: path,
            bytes,
            ...defined({ expectedDigest: sha256 }),
          },
          ...(metadata !== undefined && version.roots.includes(file) ? { metadata } : {}),
          ...defined({ progress }),
        });
      }
    }
    const outcomes = await this.#services.destination.storeAll([...inputs.values()]);
    return new Map(
      withOutcomes([...inputs.keys()], outcomes).map(({ request, outcome }) => [request, outcome]),
    );
  }

  async #bytes(file: ExpectedFile, signal: AbortSignal | undefined): Promise<Buffer> {
    return await this.#running.do(
      keyOf(file),
      async () =>
        (await this.#stored(file)) ??
        (await atMostTwice((elsewhere) => this.#fetch(file, { elsewhere, signal }))),
    );
  }

  async #stored(file: ExpectedFile): Promise<Buffer | undefined> {
    const { store, mayBeStored } = this.#services;
    const { size, sha256 } = file;
    if (!mayBeStored || sha256 === undefined || (await store.stat(sha256))?.size !== size) return undefined;
    const bytes = await buffer(await store.read(sha256));
    // Damaged bytes are downloaded again.
    return hash('sha256', bytes) === sha256 ? bytes : undefined;
  }

  /** @throws WrongBytes, and the errors of the download */
  async #fetch(
    file: ExpectedFile,
    { elsewhere, signal }: { elsewhere: boolean; signal: AbortSignal | undefined },
  ): Promise<Buffer> {
    const { downloader, onReceived } = this.#services;
    const bytes = await downloader.bytes(file, { elsewhere, onReceived, ...defined({ signal }) });
    assertExpected(file, bytes);
    return bytes;
  }
}

/** A metadata item that is stored or has just arrived; undefined when it failed. */
function asMetadata(
  file: ExpectedFile,
  { kept, arrived }: { kept: Map<string, Outcome<StoredFile>>; arrived: Map<string, Buffer> },
): MetadataFile | undefined {
  const bytes = arrived.get(keyOf(file));
  if (bytes === undefined) {
    const outcome = kept.get(keyOf(file));
    return outcome !== undefined && 'result' in outcome ? outcome.result : undefined;
  }
  const digest = file.sha256 ?? parseDigest(hash('sha256', bytes));
  return { name: file.path, digest, size: bytes.length, bytes };
}
