import { type OnStoreError, observeStore } from '../blobs/observed-store.ts';
import type { Config } from '../config/schema.ts';
import { messageOf } from '../errors.ts';
import { Refusals } from '../http/connection/refusals.ts';
import { ReserveKeeper } from '../ops/keep-reserve.ts';
import { createLogger, type Logger } from '../ops/log.ts';
import { Metrics } from '../ops/metrics.ts';
import { StoreLease } from '../ops/store-lease.ts';
import { StoreWatch } from '../ops/store-watch.ts';
import { Documents } from '../simplestreams/write/documents.ts';
import type { Resources } from './resources.ts';
import { openSigning, type Signing } from './signing.ts';
import { openWorkspace, type Workspace } from './workspace.ts';

/** The base of all parts of a server. */
export interface Foundation {
  log: Logger;
  metrics: Metrics;
  refusals: Refusals;
  onStoreError: OnStoreError;
  workspace: Workspace;
  /** Knows whether bytes may be removed from the store. */
  watch: StoreWatch;
  /** Rendered, and following the catalog. */
  documents: Documents;
  /** Signs them; undefined for a server that does not. */
  signing: Signing | undefined;
  /** What an operator must look at about signing. */
  signingNotice: () => string | undefined;
  reserve: ReserveKeeper;
}

/**
 * Opens the data directory and the store, and renders the documents.
 * @throws HeadwaterError when they cannot be used, or a server with another catalog uses the store
 */
export async function openFoundation(config: Config, opened: Resources): Promise<Foundation> {
  const log = createLogger(config.log);
  opened.onClose('the log', () => log.flush());
  const metrics = new Metrics();
  const refusals = new Refusals({
    log: (details, message) => log.warn(details, message),
    count: (reason) => metrics.observeRefusal(reason),
  });
  opened.onClose('the log of refusals', () => refusals.close());
  const onStoreError: OnStoreError = (operation, kind, error) => {
    metrics.observeStoreError(operation, kind);
    const level = kind === 'damaged' ? 'error' : 'warn';
    // The watch reports each finding of the checks once.
    if (operation !== 'check')
      log[level]({ operation, kind, error: messageOf(error) }, 'the blob store failed');
  };
  // A missing key ends the start before anything is created.
  const { signing, notice } = await openSigning(config, { log, metrics }, opened);
  const workspace = await openWorkspace(config, {
    observe: (store) => observeStore(store, onStoreError),
    onRefused: ({ client, address = 'this machine', error }) => refusals.noteError(error, address, client),
    onWarning: (warning, client) =>
      log.warn({ client, warning }, 'an image breaks a rule that is set to warn'),
  });
  opened.onClose('the data directory', () => workspace.close());
  const watch = await watchStore(workspace, log, opened);
  const documents = new Documents(workspace.catalog, {
    onError: (error) => log.error({ error }, 'the documents could not be rendered'),
    onRendered: ({ revision, milliseconds }) => {
      metrics.observeRendering(milliseconds / 1000);
      log.debug({ revision, milliseconds }, 'documents rendered');
      signing?.follow();
    },
    ...(signing === undefined ? {} : { beforeSwap: signing.beforeSwap }),
  });
  opened.onClose('the documents', () => documents.stop());
  await documents.start();
  await signing?.start(documents, opened);
  const reserve = new ReserveKeeper(workspace.catalog.reserve, log);
  opened.onClose('the reserve', () => reserve.stop());
  watch.showIn(metrics);
  showFoundation(metrics, workspace, reserve);
  return {
    ...{ log, metrics, refusals, onStoreError, workspace, watch, documents, reserve },
    ...{ signing, signingNotice: notice },
  };
}

/** @throws HeadwaterError `conflict` while a server with another catalog uses the store */
async function watchStore(workspace: Workspace, log: Logger, opened: Resources): Promise<StoreWatch> {
  const lease = await StoreLease.open(workspace.store, workspace.catalogFile);
  const watch = new StoreWatch({ ...workspace, lease, log });
  let isWatching = false;
  // A watch that closes renews its records first, which one that could not start must not.
  opened.onClose('the lease on the blob store', () => (isWatching ? watch.close() : lease.release()));
  await watch.start();
  isWatching = true;
  return watch;
}

function showFoundation(metrics: Metrics, workspace: Workspace, reserve: ReserveKeeper): void {
  metrics.watch(
    'headwater_examinations_running',
    'Files that are being examined.',
    () => workspace.examinations().running,
  );
  metrics.watch(
    'headwater_examinations_waiting',
    'Files that wait for their examination.',
    () => workspace.examinations().waiting,
  );
  metrics.watch(
    'headwater_reserve_bytes',
    'Bytes reserved for changes on a full disk.',
    () => reserve.gauges.reserved,
  );
  metrics.watch(
    'headwater_disk_free_bytes',
    'Bytes that are free on the disk of the data directory.',
    () => reserve.gauges.free,
  );
}
