import type { Readable } from 'node:stream';
import { BackgroundTasks } from '../../async/background-tasks.ts';
import { ExpiringMap } from '../../async/expiring-map.ts';
import type { BlobStore, ByteRange } from '../../blobs/blob-store.ts';
import type { Source } from '../../catalog/products/blob-sources.ts';
import type { MirrorDefinition } from '../../config/mirror-schema.ts';
import { HeadwaterError, isKind } from '../../errors.ts';
import type { Digest } from '../../model/digest.ts';
import type { MirrorParts } from '../run/open-upstream.ts';
import { evictExpired } from './eviction.ts';
import { OnDemandFetch } from './fetch.ts';
import { OnDemandFetches } from './fetches.ts';

/** Told of what is fetched because somebody asked. */
export interface OnDemandHooks {
  onFetched(source: Source, fetch: { received: number; seconds: number }): void;
  /** The file was not kept; `wrong` when the upstream sent other bytes than it announced. */
  onFailed(source: Source, failure: { error: Error; wrong: boolean }): void;
  onEvicted(mirror: string, evicted: { blobs: number; bytes: number }): void;
  /** Something beside the fetches failed. */
  onError(error: unknown): void;
}

/** How long, in milliseconds, things take. */
export interface OnDemandTimes {
  /** An answer waits for its first byte, so that an upstream that is down is an error and no broken answer. */
  firstByte: number;
  /** A file that arrived with wrong bytes is not asked for again. */
  wrongBytes: number;
  /** Between notes of when a blob was asked for: each is a change of the catalog. */
  noteAsked: number;
}

const usualTimes: OnDemandTimes = { firstByte: 2000, wrongBytes: 10 * 60_000, noteAsked: 60_000 };

/** How often a reader that came when a file was being put in its place looks again. */
const looks = 10;

/**
 * Reads blobs that are listed: from the store when they are there, else from the upstream that has them, while they
 * arrive and are kept. However many read a blob, it is fetched once, to its end, also when they all leave.
 */
export class OnDemandStore {
  /**
   * A link by which a client fetches the blob from the store itself; undefined when it has to come through here.
   * Absent where the store gives no links.
   */
  readonly presign: ((...request: Parameters<Presign>) => Promise<string | undefined>) | undefined;
  readonly #store: BlobStore;
  readonly #parts: MirrorParts;
  readonly #definitions: readonly MirrorDefinition[];
  readonly #hooks: OnDemandHooks;
  readonly #fetches: OnDemandFetches;
  /** Digests of which it was just noted that somebody asked. */
  readonly #noted: ExpiringMap<Digest, true>;
  readonly #work: BackgroundTasks;
  readonly #mayEvict: () => boolean;

  /** @param options.mayEvict whether the catalog owns the store: what another catalog names must not be dropped */
  constructor(
    definitions: readonly MirrorDefinition[],
    parts: MirrorParts,
    hooks: OnDemandHooks,
    { mayEvict = () => true, ...times }: Partial<OnDemandTimes> & { mayEvict?: () => boolean } = {},
  ) {
    this.#mayEvict = mayEvict;
    this.#store = parts.store;
    this.#parts = parts;
    this.#definitions = definitions;
    this.#hooks = hooks;
    const { firstByte, wrongBytes, noteAsked } = { ...usualTimes, ...times };
    this.#noted = new ExpiringMap(noteAsked);
    this.#work = new BackgroundTasks((error) => hooks.onError(error));
    this.#fetches = new OnDemandFetches({
      parts,
      definitions,
      work: this.#work,
      times: { firstByte, wrongBytes },
      hooks: {
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
   * The bytes of a blob, whole or a range of it, as {@link BlobStore.read}. Of one that has to be fetched they come as
   * they arrive; the last one comes when all have turned out to be right, and otherwise the stream fails.
   * @throws HeadwaterError `not-found` when nobody has it; `unavailable` when its upstream cannot be reached, or has
   * just sent wrong bytes
   */
  async read(digest: Digest, range?: ByteRange): Promise<Readable> {
    for (let look = 0; look < looks; look++) {
      const fetch = await (this.#fetches.running(digest) ?? this.#readOrFetch(digest, range));
      if (!(fetch instanceof OnDemandFetch)) return fetch;
      await this.#fetches.begun(fetch);
      const bytes = await fetch.file.read(range);
      if (bytes !== undefined) return bytes;
      await fetch.ended;
    }
    throw new HeadwaterError('unavailable', `blob sha256:${digest} could not be fetched: try again`);
  }

  /** Drops what the definitions say is held for too long, or is too much. */
  async evict(): Promise<void> {
    if (!this.#mayEvict()) return;
    for (const definition of this.#definitions) {
      if (definition.cache === undefined) continue;
      const evicted = await evictExpired(definition, definition.cache, this.#parts);
      if (evicted.blobs > 0) this.#hooks.onEvicted(definition.name, evicted);
    }
  }

  /** Stops what is being fetched; what arrived is kept for the next time. */
  async close(): Promise<void> {
    await this.#fetches.close();
  }

  async #readOrFetch(digest: Digest, range: ByteRange | undefined): Promise<Readable | OnDemandFetch> {
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

  /** Whoever asks for a blob that was set aside has a catalog that names it: it comes back. */
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
    const sources = await this.#parts.catalog.sources.find(digest);
    return sources.find(({ mirror }) => this.#definitions.some(({ name }) => name === mirror));
  }

  /** What is to be said of a blob whose mirror is defined no more; undefined when no mirror ever had it. */
  async #abandoned(digest: Digest): Promise<HeadwaterError | undefined> {
    const [source] = await this.#parts.catalog.sources.find(digest);
    if (source === undefined) return undefined;
    return new HeadwaterError(
      'unavailable',
      `mirror ${source.mirror}, which would fetch ${source.path}, is defined no more`,
    );
  }

  async #isHeld(digest: Digest): Promise<boolean> {
    if ((await this.#source(digest)) === undefined) return true;
    if ((await this.#store.stat(digest)) === undefined) return false;
    this.#noteAsked(digest);
    return true;
  }

  #noteAsked(digest: Digest): void {
    if (this.#noted.get(digest) === true) return;
    this.#noted.set(digest, true);
    this.#work.add(this.#parts.catalog.sources.noteAsked(digest));
  }
}

type Presign = NonNullable<BlobStore['presign']>;
