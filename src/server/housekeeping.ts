import type { Config } from '../config/schema.ts';
import { messageOf } from '../errors.ts';
import { cleanDownloads } from '../mirror/download/download-directories.ts';
import type { OnDemandStore } from '../mirror/on-demand/on-demand-store.ts';
import { collectGarbage } from '../ops/garbage-collection.ts';
import type { Logger } from '../ops/log.ts';
import type { StoreWatch } from '../ops/store-watch.ts';
import type { Uploads } from '../publish/resumable-uploads.ts';
import type { Workspace } from './workspace.ts';

// The periodic tasks of a running server. A round that fails is logged, and the next one tries again.

/** How often garbage is collected, and how many of those rounds pass between looks through the whole store. */
const collectionInterval = 10 * 60_000;
const roundsBetweenSweeps = 144;
/** How long documents keep an alias that a client removed, which is the first half of moving it, in milliseconds. */
const removedAliasLifetime = 5000;
const aliasCheckInterval = 1000;

/** Removes aliases from the documents that clients removed and did not set again. */
export function forgetAliases({ catalog }: Workspace, log: Logger): () => Promise<void> {
  let running: Promise<unknown> = Promise.resolve();
  const timer = setInterval(() => {
    running = catalog.imageAliases
      .forget(new Date(Date.now() - removedAliasLifetime))
      .catch((error: unknown) => {
        log.warn(
          { error: messageOf(error) },
          'removed aliases stay in the documents; the next round tries again',
        );
      });
  }, aliasCheckInterval);
  timer.unref();
  return async () => {
    clearInterval(timer);
    await running;
  };
}

/**
 * Collects garbage periodically. The first round, at the start, removes only things that no catalog names, such as
 * broken uploads: blobs are left alone until a server has run for a while.
 */
export function collectRegularly(
  { catalog, store }: Workspace,
  {
    uploads,
    onDemand,
    watch,
    reserve,
  }: { uploads: Uploads; onDemand: OnDemandStore; watch: StoreWatch; reserve: { isWhole: boolean } },
  config: Config,
  log: Logger,
): () => Promise<void> {
  let round = 0;
  let running = Promise.resolve();
  const collectBlobs = async () => {
    // The round that has just begun is counted already.
    const strays = round % roundsBetweenSweeps === 2;
    if (strays) await watch.checkCatalog();
    const { gracePeriod, collection } = config;
    const { ownership, ...collected } = await collectGarbage(catalog, store, {
      gracePeriod,
      strays,
      ...collection,
      // On a full disk, removed versions must free their space without delay.
      ...(reserve.isWhole || config.storage.type !== 'directory' ? {} : { keepRemoved: 0 }),
      // Two servers with catalogs of their own use the store: whichever owns it, the other one's blobs look unknown.
      ...(watch.mayRemove ? {} : { remove: false }),
    });
    await watch.noteCollection({ ownership });
    if (Object.values(collected).some((count) => count > 0)) log.info(collected, 'garbage collected');
  };
  const collect = async () => {
    try {
      if (round++ > 0) await collectBlobs();
      await catalog.audit.trim(config.limits.auditEntries);
      await uploads.clean(new Date(Date.now() - config.limits.unfinishedUploadAge));
      await onDemand.evict();
      await cleanDownloads(config.dataDir);
    } catch (error) {
      log.warn({ error: messageOf(error) }, 'garbage was not collected; the next round tries again');
    }
  };
  const start = () => {
    running = running.then(collect);
  };
  start();
  const timer = setInterval(start, Math.min(collectionInterval, Math.max(1000, config.gracePeriod)));
  timer.unref();
  return async () => {
    clearInterval(timer);
    await running;
  };
}
