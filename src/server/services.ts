import { hostname } from 'node:os';
import { join } from 'node:path';
import { Access } from '../access/access.ts';
import { DamagedBlobError } from '../blobs/damaged-blob.ts';
import { observeListed } from '../blobs/observed-store.ts';
import type { Actor } from '../catalog/database/audit-record.ts';
import type { Config } from '../config/schema.ts';
import { type AnyDefinition, isUpstream } from '../config/sites/any-definition.ts';
import type { ImageBytes } from '../http/documents/image-files.ts';
import { OnDemandStore } from '../mirror/on-demand/on-demand-store.ts';
import { MirrorService } from '../mirror/service.ts';
import { defined } from '../model/defined.ts';
import { Condition } from '../ops/condition.ts';
import { Activity } from '../ops/scrub/activity.ts';
import { Scrub } from '../ops/scrub/scrub.ts';
import { Uploads } from '../publish/resumable-uploads.ts';
import { AutoUpdates } from '../registry/incoming/auto-updates.ts';
import { ImageServers } from '../registry/incoming/image-servers.ts';
import { type PushPolicy, Receiver } from '../registry/incoming/receiver.ts';
import { Operations } from '../registry/operations/operations.ts';
import type { Foundation } from './foundation.ts';
import { mirrorHooks, onDemandHooks, scrubHooks, updateHooks } from './log-events.ts';
import type { Resources } from './resources.ts';
import { storeSpace } from './store-space.ts';

/** The services of a server, for all surfaces. */
export interface Services {
  access: Access;
  uploads: Uploads;
  mirrors: MirrorService;
  onDemand: OnDemandStore;
  /** Bytes of listed images, also of those that are fetched when a client asks. */
  imageBytes: ImageBytes;
  imageServers: ImageServers;
  /** Receives pushed and copied images. */
  receiver: Receiver;
  updates: AutoUpdates;
  operations: Operations;
  scrub: Scrub;
  /** Whether requests of clients are being answered. */
  activity: Activity;
  /** The unique name of the server. */
  serverName: string;
  /** A request failed by a defect. */
  onDefect: (error: unknown, id: string) => void;
}

/** Creates the services. None of them runs periodically yet (`background.ts`). */
export async function composeServices(
  foundation: Foundation,
  config: Config,
  definitions: AnyDefinition[],
  opened: Resources,
): Promise<Services> {
  const { log, refusals, workspace, documents } = foundation;
  const { catalog, store, destination } = workspace;
  const onDefect = (error: unknown, id: string) => log.error({ id, err: error }, 'a request failed');
  const access = new Access(catalog, (stream) => config.streams[stream]?.public ?? true);
  const activity = new Activity();
  const scrub = composeScrub(foundation, config, activity, opened);
  const mirrors = composeMirrors(foundation, { config, definitions, scrub }, opened);
  const imageServers = new ImageServers(config.registry.mirrorFrom, {
    store,
    records: catalog.imageServers,
    mend: (digest) => scrub.mend(digest),
  });
  const receiver = new Receiver({
    ...{ access, catalog, destination },
    policy: pushPolicy(config),
    noteRefusal: (error: unknown, { who, from }: Actor) => refusals.noteError(error, from, who),
  });
  const updates = new AutoUpdates(
    { catalog, receiver, servers: imageServers },
    { every: config.registry.refreshEvery, hooks: updateHooks(log) },
  );
  opened.onClose('the updates of images', () => updates.stop());
  foundation.metrics.watch(
    'headwater_registry_updates_failing',
    'Images with auto-update whose last check for a newer version failed.',
    () => updates.failing,
  );
  const serverName = `${hostname()}-${await catalog.instance()}`;
  const operations = new Operations({
    location: serverName,
    onDefect,
    visible: () => documents.visible(),
  });
  opened.onClose('the operations', () => operations.close());
  return {
    ...mirrors,
    ...{ access, imageServers, receiver, updates, operations, scrub, activity, serverName, onDefect },
    uploads: createUploads(foundation, config),
  };
}

function composeScrub(
  { log, metrics, workspace, watch }: Foundation,
  { scrub: settings }: Config,
  activity: Activity,
  opened: Resources,
): Scrub {
  const obstacle = () => {
    if (watch.mayRemove) return undefined;
    return watch.problem ?? 'the catalog does not own the blob store: see "headwater storage status"';
  };
  const options = { ...settings, isBusy: () => activity.isBusy, obstacle };
  const scrub = new Scrub(workspace, options, scrubHooks(log));
  opened.onClose('the scrub', () => scrub.stop());
  scrub.showIn(metrics);
  return scrub;
}

function composeMirrors(
  { log, metrics, onStoreError, workspace, watch }: Foundation,
  { config, definitions, scrub }: { config: Config; definitions: AnyDefinition[]; scrub: Scrub },
  opened: Resources,
): Pick<Services, 'mirrors' | 'onDemand' | 'imageBytes'> {
  const mirrorServices = { ...workspace, dataDir: config.dataDir };
  const onDemand = new OnDemandStore(definitions.filter(isUpstream), mirrorServices, onDemandHooks(log), {
    mayEvict: () => watch.mayRemove,
  });
  opened.onClose('the fetches on demand', () => onDemand.close());
  const mirrors = new MirrorService(definitions, mirrorServices, mirrorHooks(log, config.mirrorDir), {
    ...defined({ ownSite: config.site }),
    freeSpace: () => storeSpace(config),
  });
  opened.onClose('the mirrors', () => mirrors.stop());
  const unmeasured = new Condition(log, {
    level: 'warn',
    begins: 'the catalog cannot be read for the metrics',
    ends: 'the catalog can be read for the metrics again',
  });
  metrics.watchCatalog({
    catalogSize: () => workspace.catalog.size(),
    mirrors: () => mirrors.statuses(),
    onRead: (problem) => unmeasured.set(problem),
  });
  const listed = observeListed(onDemand, onStoreError);
  const imageBytes: ImageBytes = {
    read: async (digest, range) => {
      try {
        return await listed.read(digest, range);
      } catch (error) {
        // Mirrors fetch it again once it is known to be lost.
        if (error instanceof DamagedBlobError) scrub.suspect(digest);
        throw error;
      }
    },
    presign: onDemand.presign,
  };
  return { mirrors, onDemand, imageBytes };
}

function createUploads({ workspace }: Foundation, { dataDir, limits }: Config): Uploads {
  const { blobs } = workspace.catalog;
  return new Uploads({
    directory: join(dataDir, 'uploads'),
    uploadersOf: (digest) => blobs.uploaders(digest),
    limit: limits.uploadSize,
    unfinished: {
      uploads: limits.unfinishedUploads,
      bytes: limits.unfinishedUploadBytes,
      unpublished: (uploader) => blobs.unpublishedBytes(uploader),
    },
  });
}

function pushPolicy({ registry, limits }: Config): PushPolicy {
  const { stream, keep, streamQuota, entryQuota } = registry;
  return {
    stream,
    keep,
    uploadLimit: limits.uploadSize,
    quotas: defined({ stream: streamQuota, entry: entryQuota }),
  };
}
