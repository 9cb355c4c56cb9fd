import { readFile } from 'node:fs/promises';
import type { Catalog } from '../../catalog/catalog.ts';
import type { Source } from '../../catalog/products/blob-sources.ts';
import { ownerOf } from '../../catalog/products/ownership.ts';
import { codeOf, isKind, messageOf } from '../../errors.ts';
import { fileError } from '../../files/file-error.ts';
import { openFile } from '../../files/open-file.ts';
import { Spool } from '../../files/spool.ts';
import { defined } from '../../model/defined.ts';
import type { Digest } from '../../model/digest.ts';
import { unlimited } from '../../model/rights.ts';
import type { MetadataFile } from '../../publish/destination/destination.ts';
import type { LocalDestination } from '../../publish/destination/local-destination.ts';
import type { ExaminedFile } from '../../publish/intake/intake-types.ts';
import { assertPrograms } from '../../publish/judge.ts';
import { type ClaimedFingerprints, FalseClaim } from '../claimed-fingerprints.ts';
import { PartialDownload } from '../download/partial-download.ts';
import type { Downloader, FileOrigin } from '../upstream/downloader.ts';
import { WrongBytes } from '../upstream/retry-elsewhere.ts';
import { GrowingFile } from './growing-file.ts';

/** A blob, and where to fetch it. */
type Wanted = Source & { digest: Digest };

/** How a fetch ended. */
export type FetchEnd =
  | { kind: 'kept' }
  /** The upstream, the disk or the store failed; the next fetch resumes. */
  | { kind: 'failed'; error: Error }
  /** The bytes do not have the announced digest; they are discarded. */
  | { kind: 'wrong'; error: Error; resumed: boolean }
  /** The bytes are the announced ones, but such images are refused, or have another fingerprint; they are discarded. */
  | { kind: 'refused'; error: Error };

/** A fetch that ended without the file. */
export type FetchFailure = Exclude<FetchEnd, { kind: 'kept' }>;

/** One download from an upstream into the store, and to all clients that ask for the file meanwhile. */
export class OnDemandFetch {
  readonly source: Wanted;
  readonly file: GrowingFile;
  /** Resolves when the file is stored or the fetch has failed; never rejects. */
  readonly ended: Promise<FetchEnd>;
  #received = 0;
  /** The upstream or the local disk failed, so the bytes may be right. */
  #broken = false;
  /** The bytes are right, but such images are refused. */
  #refused = false;
  /** Resolves when all bytes have arrived and have the announced digest. */
  readonly #whole: Promise<void>;
  #onWhole: () => void = () => undefined;
  #onFailed: (error: Error) => void = () => undefined;
  readonly #partial: PartialDownload;
  readonly #services: FetchServices;

  private constructor(source: Wanted, partial: PartialDownload, services: FetchServices) {
    this.source = source;
    this.#partial = partial;
    this.#services = services;
    this.file = new GrowingFile(partial.path, source.size, partial.beginning.offset);
    this.#whole = new Promise((resolve, reject) => {
      this.#onWhole = resolve;
      this.#onFailed = reject;
    });
    this.#whole.catch(() => undefined);
    this.ended = this.#fetch();
  }

  /** Starts a fetch where an earlier one of the same blob ended. */
  static async begin(source: Wanted, services: FetchServices): Promise<OnDemandFetch> {
    const partial = await PartialDownload.claim(services.directory, source.digest, source.size);
    return new OnDemandFetch(source, partial, services);
  }

  /** How many bytes arrived over the network. */
  get received(): number {
    return this.#received;
  }

  /**
   * All bytes of a small file, once they have arrived and have the announced digest.
   * @returns undefined when the store has taken the file over meanwhile
   * @throws what the fetch failed with before
   */
  async bytes(): Promise<Uint8Array | undefined> {
    await this.#whole;
    return await readFile(this.#partial.path).catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw fileError(error, { path: this.#partial.path, doing: 'read' });
    });
  }

  async #fetch(): Promise<FetchEnd> {
    const { path, size, digest } = this.source;
    const { destination, claims } = this.#services;
    try {
      const metadata = await claims.metadataFor(digest);
      await destination.store(
        {
          from: 'stream',
          name: path,
          size,
          bytes: this.#bytes(),
          landing: { path: this.#partial.path, onChecked: (examined) => this.#check(examined, metadata) },
          expectedDigest: digest,
        },
        defined({ metadata }),
      );
      await this.#partial.remove().catch(() => undefined);
      return { kind: 'kept' };
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error(messageOf(thrown));
      // If other versions have the file, its bytes are kept for their clients.
      const isFalse = error instanceof FalseClaim;
      if (isFalse ? !error.isNamed : isKind(error, 'too-large')) this.#refused = true;
      const wrong = error instanceof WrongBytes || (isKind(error, 'invalid') && !this.#broken && !isFalse);
      this.file.fail(error);
      this.#onFailed(error);
      try {
        if (wrong || this.#refused) await this.#partial.remove();
        else await this.#partial.leave();
      } catch (failure) {
        return { kind: 'failed', error: fileError(failure, { path: this.#partial.path, doing: 'move' }) };
      }
      if (this.#refused) return { kind: 'refused', error };
      const resumed = this.#partial.beginning.offset > 0;
      return wrong ? { kind: 'wrong', error, resumed } : { kind: 'failed', error };
    }
  }

  /**
   * Lets the readers have the whole file, unless it would be refused when it is published, or makes an image that has not
   * the fingerprint under which it is listed. Whether the programs of a root match its metadata is known only of a unified
   * image: the two files of another are fetched one by one.
   * @param metadata with which the fingerprint was computed while the bytes passed
   */
  async #check(
    { content, fingerprint }: ExaminedFile,
    metadata: Pick<MetadataFile, 'digest'> | undefined,
  ): Promise<void> {
    const { mirror, path, digest } = this.source;
    const { claims, catalog, fetchMetadata } = this.#services;
    const file = { name: path, content };
    // Warnings are logged with who sent the image: the mirror.
    const actor = { who: ownerOf(mirror), from: 'this machine', permit: unlimited };
    try {
      this.#services.destination.by(actor).judge(file);
      if (content.kind === 'unified') assertPrograms(content.metadata.architecture, file);
    } catch (error) {
      this.#refused = true;
      throw error;
    }
    // Others that wait for this file wait for no more than its bytes: two files may be each other's metadata in documents.
    this.#onWhole();
    if (fingerprint !== undefined && metadata !== undefined) {
      await catalog.fingerprints.record([{ metadata: metadata.digest, root: digest, fingerprint }]);
    }
    await claims.checkFetched({ digest, path: this.#partial.path }, fetchMetadata);
    this.file.succeed();
  }

  /** The bytes of the partial download, then those that arrive, written to it as they pass. */
  async *#bytes(): AsyncGenerator<Uint8Array> {
    const { path, size } = this.source;
    const { downloader, signal } = this.#services;
    const { path: partial, beginning } = this.#partial;
    const { offset } = beginning;
    if (offset > 0) yield* (await openFile(partial)).bytes;
    try {
      const spool = await Spool.open(partial, offset, { onWritten: (bytes) => this.file.grow(bytes) });
      const onOrigin = (origin: FileOrigin) => this.#partial.remember(origin);
      try {
        for await (const chunk of downloader.read({ path, size }, { ...beginning, signal, onOrigin })) {
          await spool.write(chunk);
          this.#received += chunk.length;
          yield chunk;
        }
      } finally {
        await spool.close();
      }
    } catch (error) {
      this.#broken = true;
      throw error;
    }
  }
}

/** What a fetch needs. */
interface FetchServices {
  catalog: Catalog;
  destination: LocalDestination;
  claims: ClaimedFingerprints;
  /** The bytes of a metadata item that is not stored; undefined when it is stored by then. */
  fetchMetadata: (digest: Digest) => Promise<Uint8Array | undefined>;
  downloader: Downloader;
  /** For partial downloads. */
  directory: string;
  signal: AbortSignal;
}
