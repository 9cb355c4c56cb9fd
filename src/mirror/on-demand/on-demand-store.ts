import type { Readable } from 'node:stream';
import { BackgroundTasks } from '../../async/background-tasks.ts';
import { ExpiringMap } from '../../async/expiring-map.ts';
import { SingleFlight } from '../../async/single-flight.ts';
import type { BlobStore, ByteRange } from '../../blobs/blob-store.ts';
import type { Source } from '../../catalog/products/blob-sources.ts';
import type { MirrorDefinition } from '../../config/mirror-schema.ts';
import { HeadwaterError, isKind } from '../../errors.ts';
import type { Digest } from '../../model/digest.ts';
import { asUnavailable, ClaimedFingerprints, FalseClaim } from '../claimed-fingerprints.ts';
import type { MirrorServices } from '../mirror-services.ts';
import { evictExpired } from './eviction.ts';
import { type FetchFailure, OnDemandFetch } from './fetch.ts';
import { OnDemandFetches } from './fetches.ts';

/** Called about fetches on demand. */
export interface OnDemandHooks {
  onFetched(source: Source, fetch: { received: number; seconds: number }): void;
  /** The file was not stored. */
  onFailed(source: Source, failure: FetchFailure): void;
  onEvicted(mirror: string, evicted: { blobs: number; bytes: number }): void;
  /** Background work failed. */
  onError(error: unknown): void;
}

/** Milliseconds. */
export interface OnDemandTimes {
  /** How long a response waits for its first byte, so that an upstream that is down gives an error, not a broken response. */
  firstByte: number;
  /** For how long a file with wrong bytes, or one that is refused, is not requested again. */
  wrongBytes: number;
  /** How often it is recorded that clients ask for a blob: each record is a change of the catalog. */
  noteAsked: number;
}

const defaultTimes: OnDemandTimes = { firstByte: 2000, wrongBytes: 10 * 60_000, noteAsked: 60_000 };

/** How often a reader tries again when a file was just being stored. */
const maxAttempts = 10;

/**
 * Reads listed blobs: stored ones from the store, others from their upstream while they are being stored. All readers of a
 * blob share one fetch, which runs to its end even when they disconnect.
 */
export class OnDemandStore {
  /**
   * A link with which a client downloads the blob from the store itself; undefined when it must be downloaded through
   * this server. Absent where the store has no links.
   */
  readonly presign: ((...request: Parameters<Presign>) => Promise<string | undefined>) | undefined;
  readonly #store: BlobStore;
  readonly #services: MirrorServices;
  readonly #definitions: readonly MirrorDefinition[];
  readonly #hooks: OnDemandHooks;
  readonly #fetches: OnDemandFetches;
  readonly #claims: ClaimedFingerprints;
  readonly #checks = new SingleFlight<Digest, void>();
  /** Digests for which a request was just recorded. */
  readonly #noted: ExpiringMap<Digest, true>;
  readonly #work: BackgroundTasks;
  readonly #mayEvict: () => boolean;

  /** @param options.mayEvict whether the catalog owns the store: blobs of another catalog must not be removed */
  constructor(
    definitions: readonly MirrorDefinition[],
    services: MirrorServices,
    hooks: OnDemandHooks,
    { mayEvict = () => true, ...times }: Partial<OnDemandTimes> & { mayEvict?: () => boolean } = {},
  ) {
    this.#mayEvict = mayEvict;
    this.#store = services.store;
    this.#services = services;
    this.#definitions = definitions;
    this.#hooks = hooks;
    const { firstByte, wrongBytes, noteAsked } = { ...defaultTimes, ...times };
    this.#noted = new ExpiringMap(noteAsked);
    this.#work = new BackgroundTasks((error) => hooks.onError(error));
    this.#claims = new ClaimedFingerprints(services);
    this.#fetches = new OnDemandFetches({
      services,
      definitions,
      work: this.#work,
      times: { firstByte, wrongBytes },
      claims: this.#claims,
      hooks: {
        sourceOf: (digest) => this.#source(digest),
        onKept: (fetch, seconds) => this.#kept(fetch, seconds),
        onFailed: (source, failure) => hooks.onFailed(source, failure),
      },
    });
    const presign = this.#store.presign?.bind(this.#store);
    this.presign =
      presign === undefined
        ? undefined
        : async (digest, options) =>
            (await this.#isHeld(digest)) ? await presign(digest, options) : undefined;
  }

  /**
   * The bytes of a blob or a range of it, as {@link BlobStore.read}. The bytes of a fetched blob come as they arrive; the
   * last byte comes when the digest and the fingerprints of its images are verified and the image rules accept the file, and
   * otherwise the stream fails.
   * @throws HeadwaterError `not-found` when no mirror has it; `unavailable` when its upstream cannot be reached, or has
   * just sent wrong bytes or a file that is refused
   */
  async read(digest: Digest, range?: ByteRange): Promise<Readable> {
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      const fetch = await (this.#fetches.running(digest) ?? this.#readOrFetch(digest, range));
      if (!(fetch instanceof OnDemandFetch)) return fetch;
      await this.#fetches.begun(fetch);
      const bytes = await fetch.file.read(range);
      if (bytes !== undefined) return bytes;
      await fetch.ended;
    }
    throw new HeadwaterError('unavailable', `blob sha256:${digest} could not be fetched: try again`);
  }

  /**
   * Stores a listed blob, unless it is stored.
   * @throws HeadwaterError as {@link read}
   */
  async fetch(digest: Digest): Promise<void> {
    const fetch = await (this.#fetches.running(digest) ?? this.#readOrFetch(digest, undefined));
    if (!(fetch instanceof OnDemandFetch)) {
      fetch.destroy();
      return;
    }
    const end = await fetch.ended;
    if (end.kind !== 'kept') throw asUnavailable(end.error);
  }

  /** Removes blobs beyond the age and size that the definitions allow. */
  async evict(): Promise<void> {
    if (!this.#mayEvict()) return;
    for (const definition of this.#definitions) {
      if (definition.cache === undefined) continue;
      const evicted = await evictExpired(definition, definition.cache, this.#services);
      if (evicted.blobs > 0) this.#hooks.onEvicted(definition.name, evicted);
    }
  }

  /** Stops all fetches; partial downloads are kept. */
  async close(): Promise<void> {
    await this.#fetches.close();
  }

  async #readOrFetch(digest: Digest, range: ByteRange | undefined): Promise<Readable | OnDemandFetch> {
    await this.#checkClaims(digest);
    try {
      const bytes = await this.#readStored(digest, range);
      this.#noteAsked(digest);
      return bytes;
    } catch (error) {
      if (!isKind(error, 'not-found')) throw error;
      const source = await this.#source(digest);
      if (source === undefined) throw (await this.#abandoned(digest)) ?? error;
      return await this.#fetches.fetch(digest, source);
    }
  }

  /** Reads a stored blob. A blob that was set aside is restored, because the catalog names it. */
  async #readStored(digest: Digest, range: ByteRange | undefined): Promise<Readable> {
    try {
      return await this.#store.read(digest, range);
    } catch (error) {
      const isMissing = isKind(error, 'not-found');
      if (!isMissing || !(await this.#store.bringBack(digest))) throw error;
      return await this.#store.read(digest, range);
    }
  }

  async #kept({ source, received }: OnDemandFetch, seconds: number): Promise<void> {
    this.#noteAsked(source.digest);
    this.#hooks.onFetched(source, { received, seconds });
    await this.evict();
  }

  async #source(digest: Digest): Promise<Source | undefined> {
    const sources = await this.#services.catalog.sources.find(digest);
    return sources.find(({ mirror }) => this.#definitions.some(({ name }) => name === mirror));
  }

  /** The error for a blob whose mirror has no definition; undefined when no mirror ever had it. */
  async #abandoned(digest: Digest): Promise<HeadwaterError | undefined> {
    const [source] = await this.#services.catalog.sources.find(digest);
    if (source === undefined) return undefined;
    return new HeadwaterError(
      'unavailable',
      `mirror ${source.mirror}, which would fetch ${source.path}, has no definition`,
    );
  }

  /**
   * Checks the fingerprints of listed images whose two files came into the store with other images, before one of the files
   * is served.
   * @throws HeadwaterError `unavailable` when an image has a wrong fingerprint; its version was removed
   */
  async #checkClaims(digest: Digest): Promise<void> {
    if (this.#definitions.length === 0) return;
    await this.#checks.do(digest, async () => {
      try {
        await this.#claims.checkStored(digest, { sourced: true });
      } catch (error) {
        const source = error instanceof FalseClaim ? await this.#source(digest) : undefined;
        if (source !== undefined && error instanceof Error) {
          this.#hooks.onFailed(source, { kind: 'refused', error });
        }
        throw asUnavailable(error);
      }
    });
  }

  async #isHeld(digest: Digest): Promise<boolean> {
    await this.#checkClaims(digest);
    if ((await this.#source(digest)) === undefined) return !(await this.#isLost(digest));
    if ((await this.#store.stat(digest)) === undefined) return false;
    this.#noteAsked(digest);
    return true;
  }

  /** Whether a blob that versions name was found damaged or missing: then the catalog has forgotten it. */
  async #isLost(digest: Digest): Promise<boolean> {
    const { blobs, fingerprints } = this.#services.catalog;
    return (await blobs.find(digest)) === undefined && (await fingerprints.isNamed(digest));
  }

  #noteAsked(digest: Digest): void {
    if (this.#noted.get(digest) === true) return;
    this.#noted.set(digest, true);
    this.#work.add(this.#services.catalog.sources.noteAsked(digest));
  }
}

type Presign = NonNullable<BlobStore['presign']>;
