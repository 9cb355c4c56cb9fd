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

/** How files are brought here. */
export interface BringOptions {
  progress?: Progress;
  signal?: AbortSignal;
}

/** What small files are brought here with. */
export interface SmallBlobDownloadServices {
  destination: LocalDestination;
  store: BlobStore;
  catalog: Catalog;
  downloader: Downloader;
  /**
   * Whether the store may have files of which the catalog does not know, since a process was killed between the one and the
   * other. Otherwise it need not be asked of each.
   */
  mayBeStored: boolean;
  /** Told of bytes that crossed the network. */
  onReceived: (bytes: number) => void;
}

/** Brings small files here, those of several versions together: what a single one costs is mostly the asking. */
export class SmallBlobDownloads {
  readonly #parts: SmallBlobDownloadServices;
  readonly #running = new SingleFlight<string, Buffer>();

  constructor(parts: SmallBlobDownloadServices) {
    this.#parts = parts;
  }

  /**
   * Brings the files of versions here. Wrong bytes are discarded, and fetched once more.
   * @returns of each version what its files are, in the order of `allOf`; or what one of them failed with: `invalid` when
   * bytes are wrong again or no image file, and what downloading and stores throw
   * @throws HeadwaterError what failed for all of them
   */
  async downloadAll(
    versions: readonly ExpectedFiles[],
    options: BringOptions = {},
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
    for (const [key, outcome] of await this.#takeIn(versions, { kept, arrived }, options))
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

  /** Those that the catalog knows and whose bytes are here; and those of which it cannot be told. */
  async #held(
    files: readonly ExpectedFile[],
    { progress }: BringOptions,
  ): Promise<Map<string, Outcome<StoredFile>>> {
    const { catalog, destination } = this.#parts;
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

  async #takeIn(
    versions: readonly ExpectedFiles[],
    { kept, arrived }: { kept: Map<string, Outcome<StoredFile>>; arrived: Map<string, Buffer> },
    { progress }: BringOptions,
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
    const outcomes = await this.#parts.destination.storeAll([...inputs.values()]);
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
    const { store, mayBeStored } = this.#parts;
    const { size, sha256 } = file;
    if (!mayBeStored || sha256 === undefined || (await store.stat(sha256))?.size !== size) return undefined;
    const bytes = await buffer(await store.read(sha256));
    assertExpected(file, bytes);
    return bytes;
  }

  /** @throws WrongBytes, and what downloading throws */
  async #fetch(
    file: ExpectedFile,
    { elsewhere, signal }: { elsewhere: boolean; signal: AbortSignal | undefined },
  ): Promise<Buffer> {
    const { downloader, onReceived } = this.#parts;
    const bytes = await downloader.bytes(file, { elsewhere, onReceived, ...defined({ signal }) });
    assertExpected(file, bytes);
    return bytes;
  }
}

/** A metadata item that is here, or has just come; undefined when it failed. */
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
