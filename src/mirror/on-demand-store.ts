import { setMaxListeners } from 'node:events';
import type { Readable } from 'node:stream';
import type { BlobStore, ByteRange } from '../blobs/blob-store.ts';
import type { Digest } from '../blobs/digest.ts';
import type { Source } from '../catalog/sources.ts';
import type { MirrorDefinition } from '../config/mirror-schema.ts';
import { HeadwaterError } from '../errors.ts';
import { onDemandDirectory } from './downloads.ts';
import { evictExpired } from './on-demand-eviction.ts';
import { OnDemandFetch } from './on-demand-fetch.ts';
import { UpstreamConnections } from './on-demand-upstreams.ts';
import { ShortMemory } from './short-memory.ts';
import type { MirrorParts } from './upstream.ts';

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
  readonly #firstByte: number;
  readonly #upstreams: UpstreamConnections;
  readonly #fetches = new Map<Digest, Promise<OnDemandFetch>>();
  /** Digests of which wrong bytes came, with what was said of them: they are not asked for yet. */
  readonly #wrong: ShortMemory<Digest, string>;
  /** Digests of which it was just noted that somebody asked. */
  readonly #noted: ShortMemory<Digest, true>;
  readonly #work = new Set<Promise<void>>();
  readonly #closing = new AbortController();

  constructor(
    definitions: readonly MirrorDefinition[],
    parts: MirrorParts,
    hooks: OnDemandHooks,
    times: Partial<OnDemandTimes> = {},
  ) {
    this.#store = parts.store;
    this.#parts = parts;
    this.#definitions = definitions;
    this.#hooks = hooks;
    const { firstByte, wrongBytes, noteAsked } = { ...usualTimes, ...times };
    this.#firstByte = firstByte;
    this.#wrong = new ShortMemory(wrongBytes);
    this.#noted = new ShortMemory(noteAsked);
    // Every fetch that is under way listens to it.
    setMaxListeners(0, this.#closing.signal);
    this.#upstreams = new UpstreamConnections(definitions, this.#closing.signal);
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
      const fetch = await (this.#fetches.get(digest) ?? this.#readOrFetch(digest, range));
      if (!(fetch instanceof OnDemandFetch)) return fetch;
      await this.#begun(fetch);
      const bytes = await fetch.file.read(range);
      if (bytes !== undefined) return bytes;
      await fetch.ended;
    }
    throw new HeadwaterError('unavailable', `blob sha256:${digest} could not be fetched: try again`);
  }

  /** Drops what the definitions say is held for too long, or is too much. */
  async evict(): Promise<void> {
    for (const definition of this.#definitions) {
      if (definition.cache === undefined) continue;
      const evicted = await evictExpired(definition, definition.cache, this.#parts);
      if (evicted.blobs > 0) this.#hooks.onEvicted(definition.name, evicted);
    }
  }

  /** Stops what is being fetched; what arrived is kept for the next time. */
  async close(): Promise<void> {
    this.#closing.abort();
    while (this.#work.size > 0) await Promise.all(this.#work);
    await this.#upstreams.close();
  }

  async #readOrFetch(digest: Digest, range: ByteRange | undefined): Promise<Readable | OnDemandFetch> {
    try {
      const bytes = await this.#store.read(digest, range);
      this.#noteAsked(digest);
      return bytes;
    } catch (error) {
      if (!(error instanceof HeadwaterError) || error.kind !== 'not-found') throw error;
      const source = await this.#source(digest);
      if (source === undefined) throw (await this.#abandoned(digest)) ?? error;
      this.#assertNotWrong(digest);
      return await this.#fetch(digest, source);
    }
  }

  /** The fetch of a blob: the one that is under way, or a new one. */
  async #fetch(digest: Digest, source: Source): Promise<OnDemandFetch> {
    // Nothing is awaited before the map is set: who asks at the same moment finds it.
    const running = this.#fetches.get(digest);
    if (running !== undefined) return await running;
    const beginning = this.#begin(digest, source);
    this.#fetches.set(digest, beginning);
    beginning.then(
      (fetch) => this.#do(this.#attend(digest, fetch)),
      () => this.#fetches.delete(digest),
    );
    return await beginning;
  }

  async #begin(digest: Digest, source: Source): Promise<OnDemandFetch> {
    const { destination, dataDir } = this.#parts;
    return await OnDemandFetch.begin(
      { ...source, digest },
      {
        destination,
        downloader: await this.#upstreams.of(source.mirror),
        directory: onDemandDirectory(dataDir),
        signal: this.#closing.signal,
      },
    );
  }

  /** Waits for the end of a fetch and tells of it. */
  async #attend(digest: Digest, fetch: OnDemandFetch): Promise<void> {
    const started = performance.now();
    const { source } = fetch;
    const end = await fetch.ended;
    this.#fetches.delete(digest);
    if (end.kind === 'kept') {
      this.#noteAsked(digest);
      const seconds = (performance.now() - started) / 1000;
      this.#hooks.onFetched(source, { received: fetch.received, seconds });
      await this.evict();
      return;
    }
    // What an earlier fetch left may have been what was wrong: then the next one begins anew.
    if (end.kind === 'wrong' && !end.resumed) {
      this.#wrong.set(digest, end.error.message);
    }
    if (!this.#closing.signal.aborted) {
      this.#hooks.onFailed(source, { error: end.error, wrong: end.kind === 'wrong' });
    }
  }

  /**
   * Resolves when the first bytes are here, or when they are late and the upstream has not failed.
   * @throws HeadwaterError `unavailable`, when the fetch has failed or is about to
   */
  async #begun(fetch: OnDemandFetch): Promise<void> {
    const { mirror } = fetch.source;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(() => resolve('late'), this.#firstByte);
    });
    try {
      const outcome = await Promise.race([fetch.file.begun(), late]);
      const trouble = this.#upstreams.trouble(mirror);
      if (outcome === 'late' && trouble !== undefined && fetch.file.arrived === 0) {
        throw new HeadwaterError('unavailable', trouble);
      }
    } catch (error) {
      // Whatever the upstream says: for the client the file is listed, and cannot be had now.
      if (!(error instanceof HeadwaterError)) throw error;
      const { kind, message } = error;
      const answer = kind === 'no-space' ? kind : 'unavailable';
      throw new HeadwaterError(answer, `mirror ${mirror}: ${message}`, { cause: error });
    } finally {
      clearTimeout(timer);
    }
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

  #assertNotWrong(digest: Digest): void {
    const wrong = this.#wrong.get(digest);
    if (wrong === undefined) return;
    throw new HeadwaterError(
      'unavailable',
      `the upstream sent wrong bytes and is not asked again yet: ${wrong}`,
    );
  }

  #noteAsked(digest: Digest): void {
    if (this.#noted.get(digest) === true) return;
    this.#noted.set(digest, true);
    this.#do(this.#parts.catalog.sources.noteAsked(digest));
  }

  /** Lets work go on that nobody waits for but {@link close}. */
  #do(work: Promise<void>): void {
    const done = work
      .catch((error: unknown) => this.#hooks.onError(error))
      .finally(() => this.#work.delete(done));
    this.#work.add(done);
  }
}

type Presign = NonNullable<BlobStore['presign']>;
