import type { Catalog } from '../../catalog/catalog.ts';
import type { Actor } from '../../catalog/database/audit-record.ts';
import type { Image } from '../../catalog/images/images.ts';
import type { UpdateSource } from '../../catalog/images/pushed-details.ts';
import type { SearchResult, SingleImages } from '../../mirror/single-images.ts';
import type { KnownDocuments } from '../../mirror/upstream/documents.ts';
import { parseArchitecture } from '../../model/architecture.ts';
import { unlimited } from '../../model/rights.ts';
import { compareVersionNames } from '../../simplestreams/read/serial.ts';
import type { ImageServers } from './image-servers.ts';
import type { Receiver } from './receiver.ts';
import { describeFound, fetched, versionOf } from './simplestreams-pull.ts';

/**
 * The longest time before the first round of a server, in milliseconds: short, because updates may have been due while
 * it was down.
 */
const maxFirstDelay = 60_000;

/** The longest that a timer can wait, in milliseconds. */
const maxTimerDelay = 2 ** 31 - 1;

/** Receives the results of rounds. */
export interface UpdateHooks {
  onUpdated(image: { product: string; server: string; alias: string }): void;
  /** @param what the image, or the server when none of its images could be looked up */
  onFailed(what: { product?: string; server: string; alias?: string }, error: unknown): void;
}

/** The author of an update, and the receiver of its progress. */
interface UpdateOptions {
  actor: Actor;
  signal: AbortSignal;
  onProgress?: (progress: string) => void;
}

type Followed = Image & { pushed: { updateSource: UpdateSource } };

/**
 * Keeps images up to date that were copied from image servers with auto-update. A newer version replaces the local
 * image: the aliases move to it, and older versions stay within the retention of the stream. The catalog records which
 * images are kept up to date, so a restart changes nothing.
 */
export class AutoUpdates {
  readonly #services: { catalog: Catalog; receiver: Receiver; servers: ImageServers };
  readonly #every: number;
  readonly #hooks: UpdateHooks;
  readonly #stopping = new AbortController();
  /**
   * By server: the validators of its documents at the last round in which everything that was wanted had been fetched.
   */
  readonly #known = new Map<string, { documents: KnownDocuments; wanted: string }>();
  #failing = 0;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();

  /** @param options.every milliseconds between rounds */
  constructor(
    services: { catalog: Catalog; receiver: Receiver; servers: ImageServers },
    options: { every: number; hooks: UpdateHooks },
  ) {
    this.#services = services;
    this.#every = options.every;
    this.#hooks = options.hooks;
  }

  /** How many images could not be kept up to date in the last round. */
  get failing(): number {
    return this.#failing;
  }

  start(): void {
    this.#schedule(Math.random() * Math.min(maxFirstDelay, this.#every));
  }

  /** Ends an active round; nothing incomplete stays. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#stopping.abort();
    await this.#running;
  }

  /**
   * Looks for a newer version of one image now, and fetches it.
   * @returns whether there was one; false for an image that was not copied from an image server, or is not the newest
   * of its product
   * @throws HeadwaterError when the server is not allowed, cannot be reached, fails verification, or lacks the image
   */
  async refresh(image: Image, options: UpdateOptions): Promise<boolean> {
    if (!isFollowed(image) || !image.newest) return false;
    const upstream = await this.#services.servers.open(image.pushed.updateSource.server, options.signal);
    try {
      const [result] = await upstream.search([wantedOf(image)]);
      return await this.#update(image, result, upstream, options);
    } finally {
      await upstream.close();
    }
  }

  /** Looks for newer versions of all images. */
  async round(): Promise<void> {
    const { signal } = this.#stopping;
    const byServer = new Map<string, Followed[]>();
    for (const image of (await this.#services.catalog.images.autoUpdated()).filter(isFollowed)) {
      const { server } = image.pushed.updateSource;
      byServer.set(server, [...(byServer.get(server) ?? []), image]);
    }
    let failing = 0;
    for (const [server, images] of byServer) {
      if (signal.aborted) return;
      try {
        failing += await this.#follow(server, images);
      } catch (error) {
        if (signal.aborted) return;
        failing += images.length;
        this.#hooks.onFailed({ server }, error);
      }
    }
    this.#failing = failing;
  }

  /** @returns how many of the images could not be kept up to date */
  async #follow(server: string, images: Followed[]): Promise<number> {
    const { signal } = this.#stopping;
    const wanted = JSON.stringify(images.map(({ product, serial }) => [product.name, serial]));
    const upstream = await this.#services.servers.open(server, signal);
    try {
      const known = this.#known.get(server);
      if (known?.wanted === wanted && !(await upstream.haveChanged(known.documents))) return 0;
      this.#known.delete(server);
      const results = await upstream.search(images.map(wantedOf));
      let failed = 0;
      for (const [index, image] of images.entries()) {
        const { alias } = image.pushed.updateSource;
        const what = { product: image.product.name, server, alias };
        try {
          const actor = { who: 'auto-update', from: 'this machine', permit: unlimited };
          if (await this.#update(image, results[index], upstream, { actor, signal }))
            this.#hooks.onUpdated(what);
        } catch (error) {
          if (signal.aborted) throw error;
          failed += 1;
          this.#hooks.onFailed(what, error);
        }
      }
      if (failed === 0) this.#known.set(server, { documents: [...upstream.known], wanted });
      return failed;
    } finally {
      await upstream.close();
    }
  }

  async #update(
    image: Followed,
    result: SearchResult | undefined,
    upstream: SingleImages,
    { actor, signal, onProgress = () => undefined }: UpdateOptions,
  ): Promise<boolean> {
    if (result === undefined) throw new Error('a search had no result');
    if ('error' in result) throw result.error;
    const newest = result.image;
    const { pushed, product, serial, hidden } = image;
    const { updateSource: source } = pushed;
    const now = versionOf(newest);
    // If the server removed its newest version, nothing changes: following would replace the image by an older version.
    if (now.product === source.product && !isNewer(now, source)) return false;
    await this.#services.receiver.take(
      fetched(upstream, newest, onProgress),
      {
        ...describeFound(newest),
        aliases: [],
        public: !hidden,
        profiles: pushed.profiles,
        autoUpdate: pushed.autoUpdate,
        updateSource: { ...source, ...now },
        replaces: { stream: product.stream, product: product.name, serial },
      },
      { stream: product.stream, pushedBy: pushed.pushedBy, actor, signal },
    );
    return true;
  }

  #schedule(delay: number): void {
    this.#timer = setTimeout(
      () => {
        this.#running = this.round()
          .catch((error: unknown) => this.#hooks.onFailed({ server: 'every image server' }, error))
          .finally(() => {
            // A random part keeps many Headwater servers from asking an image server at the same moment in each round.
            if (!this.#stopping.signal.aborted) this.#schedule(this.#every * (0.9 + Math.random() / 5));
          });
      },
      Math.min(delay, maxTimerDelay),
    );
    this.#timer.unref();
  }
}

/**
 * Compares the server's names of versions: the serials of several versions of one minute depend on which of them exist.
 */
function isNewer(
  now: Pick<UpdateSource, 'serial' | 'version'>,
  before: Pick<UpdateSource, 'serial' | 'version'>,
): boolean {
  return now.version === undefined || before.version === undefined
    ? now.serial > before.serial
    : compareVersionNames(now.version, before.version) > 0;
}

function isFollowed(image: Image): image is Followed {
  return image.pushed?.updateSource !== undefined;
}

function wantedOf({ pushed: { updateSource } }: Followed) {
  const { alias, type, architecture } = updateSource;
  return { reference: alias, type, architecture: parseArchitecture(architecture) };
}
