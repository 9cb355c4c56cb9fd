import type { BlobStore } from '../blobs/blob-store.ts';
import type { Digest } from '../blobs/digest.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { HeadwaterError } from '../errors.ts';
import type { KeptFile } from '../publish/destination.ts';
import type { LocalDestination } from '../publish/local-destination.ts';
import type { Progress } from '../publish/request.ts';
import type { Downloader } from './downloader.ts';

/** Brings files of an upstream into the destination. The first, simplest form. */
export class BlobKeeper {
  readonly #destination: LocalDestination;
  readonly #downloader: Downloader;

  constructor(parts: {
    destination: LocalDestination;
    store: BlobStore;
    catalog: Catalog;
    downloader: Downloader;
    directory: string;
  }) {
    this.#destination = parts.destination;
    this.#downloader = parts.downloader;
  }

  async keep(
    file: { path: string; size: number; sha256?: Digest },
    options: { metadata?: KeptFile; progress?: Progress; signal?: AbortSignal } = {},
  ): Promise<KeptFile & { fetched: number }> {
    const { path, size, sha256 } = file;
    const { metadata, progress } = options;
    const held = sha256 === undefined ? undefined : await this.#held(path, sha256);
    if (held !== undefined) return { ...held, fetched: 0 };
    const expected = sha256 === undefined ? {} : { expectedDigest: sha256 };
    const kept = await this.#destination.keep(
      { from: 'stream', name: path, size, bytes: this.#downloader.read(file), ...expected },
      { ...(metadata === undefined ? {} : { metadata }), ...(progress === undefined ? {} : { progress }) },
    );
    return { ...kept, fetched: size };
  }

  async #held(name: string, digest: Digest): Promise<KeptFile | undefined> {
    try {
      return await this.#destination.keep({ from: 'blob', name, digest });
    } catch (error) {
      if (error instanceof HeadwaterError && error.kind === 'not-found') return undefined;
      throw error;
    }
  }
}
