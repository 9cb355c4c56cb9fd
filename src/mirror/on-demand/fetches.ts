import { setMaxListeners } from 'node:events';
import type { BackgroundTasks } from '../../async/background-tasks.ts';
import { ExpiringMap } from '../../async/expiring-map.ts';
import { SingleFlight } from '../../async/single-flight.ts';
import type { Source } from '../../catalog/products/blob-sources.ts';
import type { MirrorDefinition } from '../../config/mirror-schema.ts';
import { HeadwaterError } from '../../errors.ts';
import type { Digest } from '../../model/digest.ts';
import type { ClaimedFingerprints } from '../claimed-fingerprints.ts';
import { onDemandDirectory } from '../download/download-directories.ts';
import type { MirrorServices } from '../mirror-services.ts';
import { type FetchFailure, OnDemandFetch } from './fetch.ts';
import { UpstreamConnections } from './upstreams.ts';

/** What fetches need. */
interface FetchesServices {
  services: MirrorServices;
  definitions: readonly MirrorDefinition[];
  work: BackgroundTasks;
  /** Milliseconds, as `OnDemandTimes` has them. */
  times: { firstByte: number; wrongBytes: number };
  claims: ClaimedFingerprints;
  hooks: {
    /** Where a blob can be had; undefined when no mirror with a definition has it. */
    sourceOf(digest: Digest): Promise<Source | undefined>;
    onKept(fetch: OnDemandFetch, seconds: number): Promise<void>;
    onFailed(source: Source, failure: FetchFailure): void;
  };
}

/** The running fetches: at most one for each blob, shared by all clients that ask for it. */
export class OnDemandFetches {
  readonly #services: MirrorServices;
  readonly #work: BackgroundTasks;
  readonly #claims: ClaimedFingerprints;
  readonly #hooks: FetchesServices['hooks'];
  readonly #firstByte: number;
  readonly #upstreams: UpstreamConnections;
  readonly #fetches = new SingleFlight<Digest, OnDemandFetch>();
  /** Digests of files that were wrong or refused, with the reason: not to be requested again for a while. */
  readonly #unwanted: ExpiringMap<Digest, string>;
  readonly #closing = new AbortController();

  constructor({ services, definitions, work, times, claims, hooks }: FetchesServices) {
    this.#services = services;
    this.#claims = claims;
    this.#work = work;
    this.#hooks = hooks;
    this.#firstByte = times.firstByte;
    this.#unwanted = new ExpiringMap(times.wrongBytes);
    // Each running fetch adds a listener.
    setMaxListeners(0, this.#closing.signal);
    this.#upstreams = new UpstreamConnections(definitions, this.#closing.signal);
  }

  /** The running fetch of a blob, if there is one. */
  running(digest: Digest): Promise<OnDemandFetch> | undefined {
    return this.#fetches.running(digest);
  }

  /**
   * The fetch of a blob: the running one, or a new one.
   * @throws HeadwaterError `unavailable` when its upstream has just sent wrong bytes, or a file that is refused
   */
  async fetch(digest: Digest, source: Source): Promise<OnDemandFetch> {
    this.#assertWanted(digest);
    return await this.#fetches.do(
      digest,
      () => this.#begin(digest, source),
      (fetch) => this.#ended(digest, fetch),
    );
  }

  /**
   * Resolves when the first bytes have arrived, or when they are late and the upstream has not failed.
   * @throws HeadwaterError `unavailable` when the fetch has failed or is about to fail
   */
  async begun(fetch: OnDemandFetch): Promise<void> {
    const { mirror } = fetch.source;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(() => resolve('late'), this.#firstByte);
    });
    try {
      const outcome = await Promise.race([fetch.file.begun(), late]);
      const failure = this.#upstreams.recentFailure(mirror);
      if (outcome === 'late' && failure !== undefined && fetch.file.arrived === 0) {
        throw new HeadwaterError('unavailable', failure);
      }
    } catch (error) {
      // Whatever the upstream answered: for the client the file is listed, and not available now.
      if (!(error instanceof HeadwaterError)) throw error;
      const { kind, message } = error;
      const answer = kind === 'no-space' ? kind : 'unavailable';
      throw new HeadwaterError(answer, `mirror ${mirror}: ${message}`, { cause: error });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Stops all fetches; partial downloads are kept. Resolves when all background work is done, too. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#work.done();
    await this.#upstreams.close();
  }

  async #begin(digest: Digest, source: Source): Promise<OnDemandFetch> {
    const { catalog, destination, dataDir } = this.#services;
    const fetch = await OnDemandFetch.begin(
      { ...source, digest },
      {
        catalog,
        destination,
        claims: this.#claims,
        fetchMetadata: (metadata) => this.#fetchMetadata(metadata),
        downloader: await this.#upstreams.of(source.mirror),
        directory: onDemandDirectory(dataDir),
        signal: this.#closing.signal,
      },
    );
    this.#work.add(this.#report(fetch));
    return fetch;
  }

  /** The bytes of a metadata item that is not stored; undefined when it is stored by then. */
  async #fetchMetadata(digest: Digest): Promise<Uint8Array | undefined> {
    const source = await this.#hooks.sourceOf(digest);
    if (source === undefined) {
      throw new HeadwaterError('unavailable', `blob sha256:${digest} is not stored, and no mirror has it`);
    }
    return await (await this.fetch(digest, source)).bytes();
  }

  /** Waits for the end of a fetch, and records a file that is not to be requested again before the next fetch can start. */
  async #ended(digest: Digest, fetch: OnDemandFetch): Promise<void> {
    const end = await fetch.ended;
    // If the fetch was resumed, its earlier part may be wrong: the next fetch starts from the beginning.
    if (end.kind === 'wrong' && !end.resumed) {
      this.#unwanted.set(
        digest,
        `the upstream sent wrong bytes, and is not asked again for some minutes: ${end.error.message}`,
      );
    } else if (end.kind === 'refused') {
      this.#unwanted.set(
        digest,
        `the image is refused, and the upstream is not asked again for some minutes: ${end.error.message}`,
      );
    }
  }

  /** Waits for the end of a fetch and reports it. */
  async #report(fetch: OnDemandFetch): Promise<void> {
    const started = performance.now();
    const { source } = fetch;
    const end = await fetch.ended;
    if (end.kind === 'kept') {
      await this.#hooks.onKept(fetch, (performance.now() - started) / 1000);
      return;
    }
    if (!this.#closing.signal.aborted) {
      this.#hooks.onFailed(source, end);
    }
  }

  #assertWanted(digest: Digest): void {
    const reason = this.#unwanted.get(digest);
    if (reason !== undefined) throw new HeadwaterError('unavailable', reason);
  }
}
