import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import type { Backoff } from '../async/backoff.ts';
import { bytesOf } from '../async/bytes-of.ts';
import type { BlobStore } from '../blobs/blob-store.ts';
import type { ImageServerRecords } from '../catalog/mirrors/image-servers.ts';
import type { AllowedUpstream } from '../config/upstream-fields.ts';
import { HeadwaterError, messageOf } from '../errors.ts';
import { Verifier } from '../keys/verifier.ts';
import { defined } from '../model/defined.ts';
import type { Digest } from '../model/digest.ts';
import type { ArrivingFile } from '../publish/push.ts';
import { type FoundImage, ImageSearch, type WantedImage } from '../simplestreams/read/image-search.ts';
import { type OfferedFile, Skips } from '../simplestreams/read/offered.ts';
import { readOffer } from '../simplestreams/read/offered-document.ts';
import { checked } from './download/expected-file.ts';
import { acceptedDocuments, mergeAccepted } from './guard/accepted-documents.ts';
import { DocumentGuard } from './guard/document-guard.ts';
import { outdatedProblem } from './guard/outdated-document.ts';
import { forcedEvents } from './guard/record-accepted.ts';
import { Selection } from './plan/selection.ts';
import { type KnownDocuments, UpstreamDocuments } from './upstream/documents.ts';
import type { Downloader } from './upstream/downloader.ts';
import { openDownloader } from './upstream/open-downloader.ts';

/** Shorter than a mirror's: a client waits for the image. */
const backoff: Backoff = { attempts: 3, firstDelay: 500, longestDelay: 5000 };

/** The image, or why it is not available. */
export type SearchResult = { image: FoundImage } | { error: HeadwaterError };

/** The services that single images need. */
export interface SingleImageServices {
  /** Its blobs are not downloaded again. */
  store: Pick<BlobStore, 'stat' | 'read'>;
  /** The documents that were followed. */
  records: ImageServerRecords;
  /** Sets a stored blob aside if it is damaged. */
  mend: (digest: Digest) => Promise<unknown>;
}

/** Single images of an upstream without a mirror definition. Documents are verified as those of mirrors. */
export class SingleImages {
  readonly #upstream: AllowedUpstream;
  readonly #downloader: Downloader;
  readonly #documents: UpstreamDocuments;
  readonly #services: SingleImageServices;

  private constructor(upstream: AllowedUpstream, downloader: Downloader, services: SingleImageServices) {
    const { keyring } = upstream;
    this.#upstream = upstream;
    this.#downloader = downloader;
    this.#services = services;
    this.#documents = new UpstreamDocuments({
      source: downloader,
      verifier: async () => (keyring === undefined ? undefined : await Verifier.open(keyring)),
    });
  }

  /**
   * Opens an upstream; no request is made yet. The caller closes it.
   * @throws HeadwaterError `invalid` when a file that the upstream's entry names cannot be read
   */
  static async open(
    upstream: AllowedUpstream,
    services: SingleImageServices,
    signal: AbortSignal,
  ): Promise<SingleImages> {
    const { url, ca, redirects } = upstream;
    const address = { file: 'registry.mirrorFrom', url, fallback: [], concurrency: 2 };
    const downloader = await openDownloader(
      {
        ...address,
        ...defined({ ca, redirects }),
      },
      { signal, backoff },
    );
    return new SingleImages(upstream, downloader, services);
  }

  /** Whether a document has changed since it was read ({@link known}). */
  async haveChanged(known: KnownDocuments): Promise<boolean> {
    return await this.#documents.haveChanged(known);
  }

  get known(): KnownDocuments {
    return this.#documents.known;
  }

  /**
   * Reads the documents once, and finds images in them. Documents that are older than those that were followed before are
   * refused.
   * @returns a result for each wanted image, in order
   * @throws HeadwaterError when the documents cannot be read or are refused, naming the upstream; `conflict` when they are
   * older
   */
  async search(wanted: readonly WantedImage[]): Promise<SearchResult[]> {
    const { url } = this.#upstream;
    const searches = wanted.map((each) => new ImageSearch(each, url));
    let problem: HeadwaterError | undefined;
    try {
      problem = await this.#readInto(searches);
    } catch (error) {
      throw naming(url, error);
    }
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

  /**
   * Lets searches look at all documents, and remembers the documents.
   * @returns why one of them is not used, if that is so
   */
  async #readInto(searches: readonly ImageSearch[]): Promise<HeadwaterError | undefined> {
    const guard = await this.#guard();
    const reading = { variant: 'default', deltas: false, skips: new Skips() };
    const unusable: HeadwaterError[] = [];
    let read = 0;
    let isOutdated = false;
    for await (const document of this.#documents.read(guard)) {
      const { path, bytes, expected } = document;
      try {
        const offer = readOffer(bytes, path, { ...reading, select: new Selection([{}]).apply });
        const follow = guard.check(document, offer.fields);
        const outdated = outdatedProblem(expected, offer);
        if (outdated !== undefined) {
          isOutdated = true;
          unusable.push(new HeadwaterError('unavailable', outdated));
          continue;
        }
        follow();
        read += 1;
        for (const search of searches) search.look(offer.offered);
      } catch (error) {
        if (!(error instanceof HeadwaterError) || error.kind === 'conflict') throw error;
        unusable.push(error);
      }
    }
    const ignored = [...guard.warnings].map((warning) => new HeadwaterError('invalid', warning));
    const { unreadable, missing } = this.#documents;
    const [problem] = [...unreadable, ...missing, ...unusable, ...ignored];
    if (read === 0 && problem !== undefined) throw problem;
    await this.#remember(guard, { withIndex: !isOutdated });
    return problem;
  }

  async #guard(): Promise<DocumentGuard> {
    const { url, acceptOlder = false } = this.#upstream;
    const accept = `set "acceptOlder: true" in its entry of registry.mirrorFrom and restart the server`;
    const before = await this.#services.records.accepted(url, acceptedDocuments);
    return new DocumentGuard({ title: url, accept, file: 'registry.mirrorFrom', url }, before, {
      force: acceptOlder,
    });
  }

  async #remember(guard: DocumentGuard, which: { withIndex: boolean }): Promise<void> {
    const { url } = this.#upstream;
    const { records } = this.#services;
    const accepted = guard.accepted(which);
    const before = await records.accepted(url, acceptedDocuments);
    if (JSON.stringify(before) === JSON.stringify(accepted)) return;
    // Another copy may have read newer documents meanwhile.
    const merge = (now: typeof before) =>
      guard.forced.length > 0 ? accepted : (mergeAccepted(now, accepted) ?? accepted);
    await records.accept(url, acceptedDocuments, merge, ...forcedEvents(url, guard.forced));
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
    const { store } = this.#services;
    const isHere = sha256 !== undefined && (await store.stat(sha256))?.size === size;
    yield* isHere ? this.#stored(sha256) : this.#downloader.read({ path, size });
  }

  /** @throws HeadwaterError `unavailable` at the end of a damaged blob, which is set aside: the next try downloads the file */
  async *#stored(digest: Digest): AsyncGenerator<Uint8Array> {
    const hash = createHash('sha256');
    for await (const chunk of bytesOf(await this.#services.store.read(digest))) {
      hash.update(chunk);
      yield chunk;
    }
    if (hash.digest('hex') === digest) return;
    const damaged = `the stored copy of a file, blob sha256:${digest}, is damaged`;
    try {
      await this.#services.mend(digest);
    } catch (error) {
      throw new HeadwaterError('unavailable', `${damaged}: ${messageOf(error)}`, { cause: error });
    }
    throw new HeadwaterError('unavailable', `${damaged} and was set aside: try again`);
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
