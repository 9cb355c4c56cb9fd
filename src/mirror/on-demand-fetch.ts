import { mkdir, open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Digest } from '../blobs/digest.ts';
import type { Source } from '../catalog/sources.ts';
import { codeOf, HeadwaterError, messageOf } from '../errors.ts';
import type { LocalDestination } from '../publish/local-destination.ts';
import { openFile } from '../publish/read-file.ts';
import type { Downloader } from './downloader.ts';
import { GrowingFile } from './growing-file.ts';

/** How a fetch ended. */
export type FetchEnd =
  | { kind: 'kept' }
  /** The upstream, the disk or the store failed; what arrived waits for the next fetch. */
  | { kind: 'failed'; error: Error }
  /** The bytes are not those that the document announced; nothing of them stays. */
  | { kind: 'wrong'; error: Error; resumed: boolean };

/** One file on its way from an upstream into the store, and to all who read it meanwhile. */
export class OnDemandFetch {
  readonly source: Source;
  readonly file: GrowingFile;
  /** Settles when the file is kept or given up; never rejects. */
  readonly ended: Promise<FetchEnd>;
  /** Bytes that crossed the network. */
  #received = 0;
  /** The upstream failed, or the disk for what arrives: not the bytes. */
  #broken = false;
  readonly #landing: string;
  readonly #parts: FetchParts;
  readonly #begunAt: number;

  private constructor(source: Source, landing: string, lying: number, parts: FetchParts) {
    this.source = source;
    this.#landing = landing;
    this.#parts = parts;
    this.#begunAt = lying;
    this.file = new GrowingFile(landing, source.size, lying);
    this.ended = this.#fetch();
  }

  /** Begins a fetch where an earlier one of the same blob ended. */
  static async begin(source: Source & { digest: Digest }, parts: FetchParts): Promise<OnDemandFetch> {
    await mkdir(parts.directory, { recursive: true, mode: 0o700 });
    const landing = join(parts.directory, source.digest);
    return new OnDemandFetch(source, landing, await lyingThere(landing, source.size), parts);
  }

  get received(): number {
    return this.#received;
  }

  async #fetch(): Promise<FetchEnd> {
    const { path, size, digest } = this.source;
    const { destination } = this.#parts;
    try {
      await destination.keep({
        from: 'stream',
        name: path,
        size,
        bytes: this.#bytes(),
        landing: this.#landing,
        expectedDigest: digest as Digest,
        onChecked: () => this.file.succeed(),
      });
      await rm(this.#landing, { force: true });
      return { kind: 'kept' };
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error(messageOf(thrown));
      const wrong = error instanceof HeadwaterError && error.kind === 'invalid' && !this.#broken;
      if (wrong) await rm(this.#landing, { force: true });
      this.file.fail(error);
      return wrong ? { kind: 'wrong', error, resumed: this.#begunAt > 0 } : { kind: 'failed', error };
    }
  }

  /** The bytes that are here already, then those that arrive, written down before anybody gets them. */
  async *#bytes(): AsyncGenerator<Uint8Array> {
    const { path, size } = this.source;
    const { downloader, signal } = this.#parts;
    const offset = this.#begunAt;
    if (offset > 0) yield* (await openFile(this.#landing)).bytes;
    try {
      const landing = await open(this.#landing, offset === 0 ? 'w' : 'a', 0o600);
      try {
        for await (const chunk of downloader.read({ path, size }, { offset, signal })) {
          await landing.appendFile(chunk);
          this.#received += chunk.length;
          this.file.grow(chunk.length);
          yield chunk;
        }
      } finally {
        await landing.close();
      }
    } catch (error) {
      this.#broken = true;
      throw explain(error);
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

/** Bytes of what arrived before; nothing when it is more than there can be. */
async function lyingThere(path: string, most: number): Promise<number> {
  try {
    const { size } = await stat(path);
    return size <= most ? size : 0;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return 0;
    throw error;
  }
}

function explain(error: unknown): unknown {
  if (codeOf(error) !== 'ENOSPC' && codeOf(error) !== 'EDQUOT') return error;
  const message = 'the disk for downloads is full: free some space in the data directory';
  return new HeadwaterError('no-space', message, { cause: error });
}
