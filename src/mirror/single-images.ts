import { basename } from 'node:path';
import type { Backoff } from '../async/backoff.ts';
import type { BlobStore } from '../blobs/blob-store.ts';
import type { AllowedUpstream } from '../config/upstream-fields.ts';
import { HeadwaterError } from '../errors.ts';
import { Verifier } from '../keys/verifier.ts';
import { defined } from '../model/defined.ts';
import type { ArrivingFile } from '../publish/push.ts';
import { type FoundImage, ImageSearch, type WantedImage } from '../simplestreams/read/image-search.ts';
import { type OfferedFile, Skips } from '../simplestreams/read/offered.ts';
import { readOffer } from '../simplestreams/read/offered-document.ts';
import { checked } from './download/expected-file.ts';
import { Selection } from './plan/selection.ts';
import { type KnownDocuments, UpstreamDocuments } from './upstream/documents.ts';
import type { Downloader } from './upstream/downloader.ts';
import { openDownloader } from './upstream/open-downloader.ts';

/** Shorter than a mirror's: a client waits for the image. */
const backoff: Backoff = { attempts: 3, firstDelay: 500, longestDelay: 5000 };

/** The image, or why it is not available. */
export type SearchResult = { image: FoundImage } | { error: HeadwaterError };

/** Single images of an upstream without a mirror definition. Documents are verified as those of mirrors. */
export class SingleImages {
  readonly #upstream: AllowedUpstream;
  readonly #downloader: Downloader;
  readonly #documents: UpstreamDocuments;
  readonly #store: Pick<BlobStore, 'stat' | 'read'>;

  private constructor(
    upstream: AllowedUpstream,
    services: { downloader: Downloader; store: Pick<BlobStore, 'stat' | 'read'> },
  ) {
    const { keyring } = upstream;
    this.#upstream = upstream;
    this.#downloader = services.downloader;
    this.#store = services.store;
    this.#documents = new UpstreamDocuments({
      source: services.downloader,
      verifier: async () => (keyring === undefined ? undefined : await Verifier.open(keyring)),
    });
  }

  /**
   * Opens an upstream; no request is made yet. The caller closes it.
   * @param options.store its blobs are not downloaded again
   * @throws HeadwaterError `invalid` when a file that the upstream's entry names cannot be read
   */
  static async open(
    upstream: AllowedUpstream,
    options: { store: Pick<BlobStore, 'stat' | 'read'>; signal: AbortSignal },
  ): Promise<SingleImages> {
    const { url, ca, redirects } = upstream;
    const address = { file: 'registry.mirrorFrom', url, fallback: [], concurrency: 2 };
    const { signal, store } = options;
    const downloader = await openDownloader(
      {
        ...address,
        ...defined({ ca, redirects }),
      },
      { signal, backoff },
    );
    return new SingleImages(upstream, { downloader, store });
  }

  /** Whether a document has changed since it was read ({@link known}). */
  async haveChanged(known: KnownDocuments): Promise<boolean> {
    return await this.#documents.haveChanged(known);
  }

  get known(): KnownDocuments {
    return this.#documents.known;
  }

  /**
   * Reads the documents once, and finds images in them.
   * @returns a result for each wanted image, in order
   * @throws HeadwaterError when the documents cannot be read or are refused, naming the upstream
   */
  async search(wanted: readonly WantedImage[]): Promise<SearchResult[]> {
    const { url } = this.#upstream;
    const searches = wanted.map((each) => new ImageSearch(each, url));
    const reading = { variant: 'default', deltas: false, skips: new Skips() };
    const unusable: HeadwaterError[] = [];
    let read = 0;
    try {
      for await (const { path, bytes } of this.#documents.read()) {
        try {
          const { offered } = readOffer(bytes, path, { ...reading, select: new Selection([{}]).apply });
          read += 1;
          for (const search of searches) search.look(offered);
        } catch (error) {
          if (!(error instanceof HeadwaterError)) throw error;
          unusable.push(error);
        }
      }
    } catch (error) {
      throw naming(url, error);
    }
    const { unreadable, missing } = this.#documents;
    const [problem] = [...unreadable, ...missing, ...unusable];
    if (read === 0 && problem !== undefined) throw naming(url, problem);
    return searches.map((search) => {
      try {
        return { image: search.result() };
      } catch (error) {
        if (!(error instanceof HeadwaterError)) throw error;
        if (problem === undefined) return { error };
        // The image may be in the unusable document.
        return { error: new HeadwaterError(error.kind, `${error.message} (${problem.message})`) };
      }
    });
  }

  /** The files of an image in the order of a push. Their bytes are verified as they pass. */
  async *files({ version, root }: FoundImage): AsyncGenerator<ArrivingFile> {
    const files = version.metadata === undefined || root.unified ? [root] : [version.metadata, root];
    for (const file of files) {
      const { sha256, size, path } = file;
      yield {
        name: `${this.#upstream.url}/${path}`,
        size,
        bytes: checked(file, this.#bytes(file)),
        ...defined({ expectedDigest: sha256 }),
      };
    }
  }

  async close(): Promise<void> {
    await this.#downloader.close();
  }

  /** From the store, if it has the file. */
  async *#bytes({ path, size, sha256 }: OfferedFile): AsyncGenerator<Uint8Array> {
    const isHere = sha256 !== undefined && (await this.#store.stat(sha256))?.size === size;
    yield* isHere ? await this.#store.read(sha256) : this.#downloader.read({ path, size });
  }
}

/** The size of all files of an image together. */
export function sizeOf({ version, root }: FoundImage): number {
  return root.size + (root.unified ? 0 : (version.metadata?.size ?? 0));
}

/** The file name of the root. */
export function filenameOf({ root }: FoundImage): string {
  return basename(root.path);
}

function naming(url: string, error: unknown): unknown {
  if (!(error instanceof HeadwaterError) || error.message.includes(url)) return error;
  return error.within(url);
}
