import { buffer } from 'node:stream/consumers';
import type { BlobStore } from '../blobs/blob-store.ts';
import { HeadwaterError } from '../errors.ts';
import type { Downloader } from './downloader.ts';
import { assertExpected, type ExpectedFile, keyOf } from './expected-file.ts';
import { SharedWork } from './shared-work.ts';
import { isWrongFile } from './upstream-requests.ts';
import { atMostTwice, WrongBytes } from './wrong-bytes.ts';

/** Gets the bytes of small files, checked. Several versions that have a file at the same moment get it once. */
export class SmallFiles {
  readonly #store: BlobStore;
  readonly #downloader: Downloader;
  readonly #onReceived: (bytes: number) => void;
  readonly #running = new SharedWork<Buffer>();

  /** @param onReceived told of bytes that crossed the network */
  constructor(store: BlobStore, downloader: Downloader, onReceived: (bytes: number) => void) {
    this.#store = store;
    this.#downloader = downloader;
    this.#onReceived = onReceived;
  }

  /** @throws HeadwaterError `invalid` when they are wrong again, and what downloading and stores throw */
  async bytes(file: ExpectedFile, signal: AbortSignal | undefined): Promise<Buffer> {
    return await this.#running.do(keyOf(file), () => this.#get(file, signal));
  }

  async #get(file: ExpectedFile, signal: AbortSignal | undefined): Promise<Buffer> {
    return (
      (await this.#stored(file)) ??
      (await atMostTwice((elsewhere) =>
        this.#fetch(file, { elsewhere, ...(signal === undefined ? {} : { signal }) }),
      ))
    );
  }

  /** A process was killed when the store had the bytes and the catalog did not know yet what they are. */
  async #stored(file: ExpectedFile): Promise<Buffer | undefined> {
    const { size, sha256 } = file;
    if (sha256 === undefined || (await this.#store.stat(sha256))?.size !== size) return undefined;
    const bytes = await buffer(await this.#store.read(sha256));
    assertExpected(file, bytes);
    return bytes;
  }

  /** @throws WrongBytes, and what downloading throws */
  async #fetch(file: ExpectedFile, options: { elsewhere: boolean; signal?: AbortSignal }): Promise<Buffer> {
    const chunks: Uint8Array[] = [];
    try {
      for await (const chunk of this.#downloader.read(file, options)) {
        this.#onReceived(chunk.length);
        chunks.push(chunk);
      }
    } catch (error) {
      throw isWrongFile(error) ? new WrongBytes(error) : error;
    }
    const bytes = Buffer.concat(chunks);
    try {
      assertExpected(file, bytes);
    } catch (error) {
      throw error instanceof HeadwaterError ? new WrongBytes(error) : error;
    }
    return bytes;
  }
}
