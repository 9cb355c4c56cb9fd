import type { BlobStore } from '../blobs/blob-store.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { StoppedSweep } from '../catalog/storage.ts';
import { HeadwaterError, messageOf } from '../errors.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';
import { asideSize, tidyAside } from './set-aside.ts';
import { renewInterval, type StoreLease } from './store-lease.ts';
import { confirmOwnership, type Ownership } from './store-owner.ts';

interface WatchParts {
  catalog: Catalog;
  store: BlobStore;
  lease: StoreLease;
  log: Logger;
}

/**
 * What a running server knows of its blob store as a whole: whether its catalog owns the store, what is set aside, and
 * whether a sweep waits for a decision. Renews the store's records and says what is wrong, in the log and the metrics.
 */
export class StoreWatch {
  readonly #parts: WatchParts;
  #ownership: Ownership | undefined;
  /** The host of a server with another catalog that uses the store, too. */
  #rival: string | undefined;
  #aside = { blobs: 0, bytes: 0 };
  #stopped: StoppedSweep | undefined;
  #timer: NodeJS.Timeout | undefined;
  #running = Promise.resolve();
  /** What is wrong with the catalog itself. */
  #damage: string | undefined;
  /** What was said last, so that it is said once. */
  #said = '';

  constructor(parts: WatchParts) {
    this.#parts = parts;
  }

  /**
   * Looks for the first time, and then once a minute.
   * @throws HeadwaterError `unavailable` when the catalog is damaged
   */
  async start(): Promise<void> {
    const damage = await this.#parts.catalog.damage();
    if (damage !== undefined) throw new HeadwaterError('unavailable', damage);
    await this.#renew();
    await this.#bringBack();
    this.#timer = setInterval(() => {
      this.#running = this.#running.then(() => this.#renew());
    }, renewInterval);
    this.#timer.unref();
  }

  /** Whether bytes may be taken out of the store. */
  get mayRemove(): boolean {
    return this.#ownership?.owned === true && this.#rival === undefined && this.#damage === undefined;
  }

  /** Looks at every page of the catalog: a damaged one says that too much is garbage. */
  async checkCatalog(): Promise<void> {
    const { catalog, log } = this.#parts;
    this.#damage = await catalog.damage();
    if (this.#damage !== undefined) log.error(this.#damage);
  }

  /** Takes over what a collection found out. */
  async noteCollection({ ownership }: { ownership: Ownership }): Promise<void> {
    const { catalog, store, log } = this.#parts;
    this.#ownership = ownership;
    this.#say();
    this.#aside = await asideSize(store);
    const stopped = await catalog.storage.stoppedSweep();
    if (stopped !== undefined && stopped.at !== this.#stopped?.at) {
      const advice =
        'the sweep stopped: the catalog does not know too many of the blobs; see "headwater storage status", then run "headwater storage sweep"';
      log.error({ unknown: stopped.unknown, blobs: stopped.blobs }, advice);
    }
    this.#stopped = stopped;
  }

  showIn(metrics: Metrics): void {
    metrics.watch(
      'headwater_store_owned',
      '1 when the catalog owns the blob store, else 0: then nothing is removed.',
      () => (this.mayRemove ? 1 : 0),
    );
    metrics.watch(
      'headwater_catalog_damaged',
      '1 when the last check of the catalog found damage, else 0.',
      () => (this.#damage === undefined ? 0 : 1),
    );
    metrics.watch('headwater_store_set_aside_blobs', 'Blobs that are set aside.', () => this.#aside.blobs);
    metrics.watch('headwater_store_set_aside_bytes', 'Bytes that are set aside.', () => this.#aside.bytes);
    metrics.watch(
      'headwater_store_sweep_stopped_blobs',
      'Blobs that the catalog does not know, when a sweep stopped because of them; else 0.',
      () => this.#stopped?.unknown ?? 0,
    );
  }

  /** Notes the catalog's last revision in the store, and gives the lease up. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
    await this.#renew();
    await this.#parts.lease.release().catch((error: unknown) => this.#warn(error));
  }

  async #renew(): Promise<void> {
    const { catalog, store, lease } = this.#parts;
    try {
      this.#rival = await lease.renew();
      this.#ownership = await confirmOwnership(catalog, store);
      this.#stopped ??= await catalog.storage.stoppedSweep();
      this.#say();
    } catch (error) {
      this.#warn(error);
    }
  }

  /** After a restore: the server must not take what is set aside for lost. */
  async #bringBack(): Promise<void> {
    const { catalog, store, log } = this.#parts;
    try {
      const { returned } = await tidyAside(catalog, store);
      if (returned > 0) log.info({ returned }, 'blobs that were set aside are back: the catalog names them');
      this.#aside = await asideSize(store);
    } catch (error) {
      this.#warn(error);
    }
  }

  #say(): void {
    const { log } = this.#parts;
    const problem =
      this.#rival !== undefined
        ? `a server on ${this.#rival} with another catalog uses the blob store: stop one of the two`
        : this.#ownership?.owned === false
          ? this.#ownership.message
          : '';
    if (problem === this.#said) return;
    if (problem !== '') log.error({ reason: this.#reason }, problem);
    else log.info('the catalog owns the blob store again');
    this.#said = problem;
  }

  get #reason(): string {
    if (this.#rival !== undefined) return 'two-servers';
    return this.#ownership?.owned === false ? this.#ownership.obstacle : 'none';
  }

  #warn(error: unknown): void {
    const message = "the store's records could not be renewed; the next round tries again";
    this.#parts.log.warn({ error: messageOf(error) }, message);
  }
}
