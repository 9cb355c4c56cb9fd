import type { BlobStore } from '../blobs/blob-store.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { StoppedSweep } from '../catalog/storage/storage.ts';
import { HeadwaterError, messageOf } from '../errors.ts';
import { Condition } from './condition.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';
import { asideSize, tidyAside } from './set-aside.ts';
import { renewInterval, type StoreLease } from './store-lease.ts';
import { confirmOwnership, type Ownership, ownershipOf } from './store-owner.ts';

interface WatchServices {
  catalog: Catalog;
  store: BlobStore;
  lease: StoreLease;
  log: Logger;
}

/**
 * The health of a running server's catalog and blob store: whether the catalog is damaged and owns the store, whether the
 * store can be read and written, what is set aside, and whether a sweep waits for a decision. Renews the store's records
 * and reports what is wrong in the log and the metrics.
 */
export class StoreWatch {
  readonly #services: WatchServices;
  #ownership: Ownership | undefined;
  /** The host of a server with another catalog that uses the store, too. */
  #rival: string | undefined;
  #aside = { blobs: 0, bytes: 0 };
  #stopped: StoppedSweep | undefined;
  #timer: NodeJS.Timeout | undefined;
  #running = Promise.resolve();
  readonly #damaged: Condition;
  readonly #unreadable: Condition;
  readonly #unwritable: Condition;
  readonly #outdated: Condition;
  /** The last logged ownership, so that each change is logged once. */
  #said = '';

  constructor(services: WatchServices) {
    this.#services = services;
    this.#damaged = new Condition(services.log, {
      level: 'error',
      begins: 'the catalog is damaged: nothing is removed from the blob store',
      ends: 'a check of the catalog found no more damage',
    });
    this.#unreadable = new Condition(services.log, {
      level: 'error',
      begins: 'the blob store cannot be read',
      ends: 'the blob store can be read again',
    });
    this.#unwritable = new Condition(services.log, {
      level: 'error',
      begins: 'the blob store cannot be written: publishing fails, and nothing is removed',
      ends: 'the blob store can be written again',
    });
    this.#outdated = new Condition(services.log, {
      level: 'warn',
      begins: 'cannot renew the records in the blob store; the server tries again every minute',
      ends: 'the records in the blob store are renewed again',
    });
  }

  /**
   * Checks once, and then once a minute.
   * @throws HeadwaterError `unavailable` when the catalog is damaged; `conflict` when a server with another catalog has
   * the lease
   */
  async start(): Promise<void> {
    const damage = await this.#services.catalog.damage();
    if (damage !== undefined) throw new HeadwaterError('unavailable', damage);
    await this.#renew();
    // Another server took the lease since it was found free.
    if (this.#rival !== undefined) throw new HeadwaterError('conflict', rivalMessage(this.#rival));
    await this.#bringBack();
    this.#timer = setInterval(() => {
      this.#running = this.#running.then(() => this.#renew());
    }, renewInterval);
    this.#timer.unref();
  }

  /** Whether bytes may be removed from the store. */
  get mayRemove(): boolean {
    return this.#ownership?.owned === true && this.problem === undefined;
  }

  /** The reason, besides a wrong owner, why bytes may not be removed from the store. */
  get problem(): string | undefined {
    const rival = this.#rival === undefined ? undefined : rivalMessage(this.#rival);
    return this.#services.catalog.knownDamage ?? this.#unreadable.reason ?? this.#unwritable.reason ?? rival;
  }

  /** Reads every page of the catalog: in a damaged one too much looks like garbage. */
  async checkCatalog(): Promise<void> {
    await this.#services.catalog.damage();
    this.#noteDamage();
  }

  /** Records the findings of a collection. */
  async noteCollection({ ownership }: { ownership: Ownership }): Promise<void> {
    const { catalog, store, log } = this.#services;
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
      '1 when the last check of the catalog, or any use of it since then, found damage, else 0.',
      () => (this.#services.catalog.knownDamage === undefined ? 0 : 1),
    );
    metrics.watch(
      'headwater_store_readable',
      '1 when the blob store could be read at the last check, once a minute, else 0.',
      () => (this.#unreadable.reason === undefined ? 1 : 0),
    );
    metrics.watch(
      'headwater_store_writable',
      '1 when the blob store could be written at the last check, once a minute, else 0.',
      () => ((this.#unreadable.reason ?? this.#unwritable.reason) === undefined ? 1 : 0),
    );
    metrics.watch('headwater_store_set_aside_blobs', 'Blobs that are set aside.', () => this.#aside.blobs);
    metrics.watch('headwater_store_set_aside_bytes', 'Bytes that are set aside.', () => this.#aside.bytes);
    metrics.watch(
      'headwater_store_sweep_stopped_blobs',
      'Blobs that the catalog does not know, when a sweep stopped because of them; else 0.',
      () => this.#stopped?.unknown ?? 0,
    );
  }

  /** Records the catalog's last revision in the store, and releases the lease. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
    await this.#renew();
    await this.#services.lease
      .release()
      .catch((error: unknown) =>
        this.#services.log.warn(
          { error: messageOf(error) },
          'cannot release the lease on the blob store: a server with another catalog must wait for three minutes',
        ),
      );
  }

  async #renew(): Promise<void> {
    const { catalog, store, lease } = this.#services;
    this.#noteDamage();
    this.#unreadable.set(await problemOf(store.check('read')));
    if (this.#unreadable.reason !== undefined) return;
    this.#unwritable.set(await problemOf(store.check('write')));
    const isWritable = this.#unwritable.reason === undefined;
    try {
      if (isWritable) this.#rival = await lease.renew();
      this.#ownership = await (isWritable ? confirmOwnership : ownershipOf)(catalog, store);
      this.#stopped ??= await catalog.storage.stoppedSweep();
      this.#outdated.set(undefined);
      this.#say();
    } catch (error) {
      this.#outdated.set(messageOf(error));
    }
  }

  #noteDamage(): void {
    this.#damaged.set(this.#services.catalog.knownDamage);
  }

  /** After a restore: the server must not treat blobs that are set aside as lost. */
  async #bringBack(): Promise<void> {
    const { catalog, store, log } = this.#services;
    try {
      const { returned } = await tidyAside(catalog, store);
      if (returned > 0)
        log.info({ returned }, 'blobs that were set aside were restored: the catalog names them');
      this.#aside = await asideSize(store);
    } catch (error) {
      log.warn(
        { error: messageOf(error) },
        'cannot restore blobs that were set aside; a later round tries again',
      );
    }
  }

  #say(): void {
    const { log } = this.#services;
    const problem =
      this.#rival !== undefined
        ? rivalMessage(this.#rival)
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
}

function rivalMessage(host: string): string {
  return `a server on ${host} with another catalog uses the blob store: stop one of the two`;
}

/** The reason why a check failed; undefined when it did not. A full store is not such a problem: removing helps. */
async function problemOf(check: Promise<void>): Promise<string | undefined> {
  return await check.then(
    () => undefined,
    (error: Error) => {
      const isFull = error.cause instanceof HeadwaterError && error.cause.kind === 'no-space';
      return isFull ? undefined : error.message;
    },
  );
}
