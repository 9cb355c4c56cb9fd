import type { Source } from '../../catalog/products/blob-sources.ts';
import { isKind, messageOf } from '../../errors.ts';
import { fileError } from '../../files/file-error.ts';
import { openFile } from '../../files/open-file.ts';
import { Spool } from '../../files/spool.ts';
import type { Digest } from '../../model/digest.ts';
import type { LocalDestination } from '../../publish/destination/local-destination.ts';
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
  | { kind: 'wrong'; error: Error; resumed: boolean };

/** One download from an upstream into the store, and to all clients that ask for the file meanwhile. */
export class OnDemandFetch {
  readonly source: Wanted;
  readonly file: GrowingFile;
  /** Resolves when the file is stored or the fetch has failed; never rejects. */
  readonly ended: Promise<FetchEnd>;
  #received = 0;
  /** The upstream or the local disk failed, so the bytes may be right. */
  #broken = false;
  readonly #partial: PartialDownload;
  readonly #services: FetchServices;

  private constructor(source: Wanted, partial: PartialDownload, services: FetchServices) {
    this.source = source;
    this.#partial = partial;
    this.#services = services;
    this.file = new GrowingFile(partial.path, source.size, partial.beginning.offset);
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

  async #fetch(): Promise<FetchEnd> {
    const { path, size, digest } = this.source;
    const { destination } = this.#services;
    try {
      await destination.store({
        from: 'stream',
        name: path,
        size,
        bytes: this.#bytes(),
        landing: { path: this.#partial.path },
        expectedDigest: digest,
        onChecked: () => this.file.succeed(),
      });
      await this.#partial.remove().catch(() => undefined);
      return { kind: 'kept' };
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error(messageOf(thrown));
      const wrong = error instanceof WrongBytes || (isKind(error, 'invalid') && !this.#broken);
      this.file.fail(error);
      try {
        if (wrong) await this.#partial.remove();
        else await this.#partial.leave();
      } catch (failure) {
        return { kind: 'failed', error: fileError(failure, { path: this.#partial.path, doing: 'move' }) };
      }
      const resumed = this.#partial.beginning.offset > 0;
      return wrong ? { kind: 'wrong', error, resumed } : { kind: 'failed', error };
    }
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
  destination: LocalDestination;
  downloader: Downloader;
  /** For partial downloads. */
  directory: string;
  signal: AbortSignal;
}
