import type { Source } from '../../catalog/products/blob-sources.ts';
import { isKind, messageOf } from '../../errors.ts';
import { fileError } from '../../files/file-error.ts';
import { openFile } from '../../files/open-file.ts';
import { Spool } from '../../files/spool.ts';
import type { Digest } from '../../model/digest.ts';
import type { LocalDestination } from '../../publish/destination/local-destination.ts';
import { Landing } from '../download/partial-download.ts';
import type { Downloader, FileOrigin } from '../upstream/downloader.ts';
import { WrongBytes } from '../upstream/retry-elsewhere.ts';
import { GrowingFile } from './growing-file.ts';

/** What is fetched, and from where. */
type Wanted = Source & { digest: Digest };

/** How a fetch ended. */
export type FetchEnd =
  | { kind: 'kept' }
  /** The upstream, the disk or the store failed; what arrived waits for the next fetch. */
  | { kind: 'failed'; error: Error }
  /** The bytes are not those that the document announced; nothing of them stays. */
  | { kind: 'wrong'; error: Error; resumed: boolean };

/** One file on its way from an upstream into the store, and to all who read it meanwhile. */
export class OnDemandFetch {
  readonly source: Wanted;
  readonly file: GrowingFile;
  /** Settles when the file is kept or given up; never rejects. */
  readonly ended: Promise<FetchEnd>;
  /** Bytes that crossed the network. */
  #received = 0;
  /** The upstream failed, or the disk for what arrives: not the bytes. */
  #broken = false;
  readonly #landing: Landing;
  readonly #parts: FetchParts;

  private constructor(source: Wanted, landing: Landing, parts: FetchParts) {
    this.source = source;
    this.#landing = landing;
    this.#parts = parts;
    this.file = new GrowingFile(landing.path, source.size, landing.beginning.offset);
    this.ended = this.#fetch();
  }

  /** Begins a fetch where an earlier one of the same blob ended. */
  static async begin(source: Wanted, parts: FetchParts): Promise<OnDemandFetch> {
    const landing = await Landing.claim(parts.directory, source.digest, source.size);
    return new OnDemandFetch(source, landing, parts);
  }

  get received(): number {
    return this.#received;
  }

  async #fetch(): Promise<FetchEnd> {
    const { path, size, digest } = this.source;
    const { destination } = this.#parts;
    try {
      await destination.store({
        from: 'stream',
        name: path,
        size,
        bytes: this.#bytes(),
        landing: { path: this.#landing.path },
        expectedDigest: digest,
        onChecked: () => this.file.succeed(),
      });
      await this.#landing.remove().catch(() => undefined);
      return { kind: 'kept' };
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error(messageOf(thrown));
      const wrong = error instanceof WrongBytes || (isKind(error, 'invalid') && !this.#broken);
      this.file.fail(error);
      try {
        if (wrong) await this.#landing.remove();
        else await this.#landing.leave();
      } catch (failure) {
        return { kind: 'failed', error: fileError(failure, { path: this.#landing.path, doing: 'move' }) };
      }
      const resumed = this.#landing.beginning.offset > 0;
      return wrong ? { kind: 'wrong', error, resumed } : { kind: 'failed', error };
    }
  }

  /** The bytes that are here already, then those that arrive, written down as they pass. */
  async *#bytes(): AsyncGenerator<Uint8Array> {
    const { path, size } = this.source;
    const { downloader, signal } = this.#parts;
    const { path: landing, beginning } = this.#landing;
    const { offset } = beginning;
    if (offset > 0) yield* (await openFile(landing)).bytes;
    try {
      const spool = await Spool.open(landing, offset, { onWritten: (bytes) => this.file.grow(bytes) });
      const onOrigin = (origin: FileOrigin) => this.#landing.remember(origin);
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

/** What a fetch works with. */
interface FetchParts {
  destination: LocalDestination;
  downloader: Downloader;
  /** Where what arrives lies until the store has it, also across restarts. */
  directory: string;
  signal: AbortSignal;
}
