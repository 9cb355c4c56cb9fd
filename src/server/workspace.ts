import { join } from 'node:path';
import type { BlobStore } from '../blobs/blob-store.ts';
import { DirectoryStore } from '../blobs/directory/directory-store.ts';
import { Catalog } from '../catalog/catalog.ts';
import type { Quotas } from '../catalog/quotas.ts';
import type { Config } from '../config/schema.ts';
import { type AnyDefinition, isSite } from '../config/sites/any-definition.ts';
import { defined } from '../model/defined.ts';
import { assertNotEmpty, confirmOwnership } from '../ops/store-owner.ts';
import { LocalDestination } from '../publish/destination/local-destination.ts';
import { Intake } from '../publish/intake/intake.ts';
import type { RefusedExamination } from '../publish/intake/intake-types.ts';
import { catalogFileOf } from './catalog-file.ts';

/** An open data directory with its store: the server and the commands work on it. */
export interface Workspace {
  catalog: Catalog;
  store: BlobStore;
  destination: LocalDestination;
  intake: Intake;
  /** The file of the catalog. */
  catalogFile: string;
  /** The numbers of running and waiting examinations. */
  examinations: () => { running: number; waiting: number };
  close(): Promise<void>;
}

/**
 * Opens the data directory and the blob store that a configuration names, and creates them if they are missing. A store
 * that is missing or empty while the catalog names blobs is refused: the file system is probably not mounted, or the
 * store is another one. Several processes may have them open at the same time.
 * @param options.observe wraps the store
 * @param options.mayBeEmpty also open a store that has lost every blob
 * @param options.onRefused told of files that were not looked into to their end
 * @param options.onWarning told of images that break a rule of `imageRules` that is set to `warn`, and who sent them
 * @throws HeadwaterError `unavailable`, naming what cannot be opened
 */
export async function openWorkspace(
  config: Config,
  options: {
    observe?: (store: BlobStore) => BlobStore;
    mayBeEmpty?: boolean;
    onRefused?: (refused: RefusedExamination) => void;
    onWarning?: (warning: string, client: string) => void;
  } = {},
): Promise<Workspace> {
  // The store first: it makes nothing yet, and finds keys that are missing.
  const bare = await createStore(config);
  const catalogFile = catalogFileOf(config);
  const catalog = await Catalog.open(catalogFile);
  const store = options.observe?.(bare) ?? bare;
  try {
    // Not observed: what fails here ends the start, before anything counts failures.
    const { mayBeEmpty = false } = options;
    await bare.open({ create: mayBeEmpty || !(await catalog.blobs.any()) });
    if (!mayBeEmpty) await assertNotEmpty(catalog, bare);
  } catch (error) {
    await bare.close();
    await catalog.close();
    throw error;
  }
  await catalog.reserve.restore();
  const { examinations, examinationMemory, examinationTimeout } = config.limits;
  const intake = new Intake({
    count: examinations,
    memory: examinationMemory,
    timeout: examinationTimeout,
    directory: join(config.dataDir, 'staging'),
    unpackedDigests: config.oci.enabled,
    ...defined({ onRefused: options.onRefused }),
  });
  return {
    catalog,
    store,
    intake,
    catalogFile,
    destination: new LocalDestination({
      catalog,
      store,
      intake,
      imageRules: config.imageRules,
      quotasOf: (stream) => quotasOf(config, stream),
      ...defined({ onWarning: options.onWarning }),
    }),
    examinations: () => intake.load,
    close: async () => {
      await intake.close();
      await noteRevision(catalog, bare);
      await store.close();
      await catalog.close();
    },
  };
}

/**
 * Notes in the store which state of the catalog its last blobs belong to, so that an older catalog is recognized. What
 * fails is no failure of the work that was done: the next start or command does it.
 */
async function noteRevision(catalog: Catalog, store: BlobStore): Promise<void> {
  await confirmOwnership(catalog, store).catch(() => undefined);
}

/** What bounds the images of clients and tokens in a stream: `streamQuota` is of the stream for pushed images. */
export function quotasOf({ registry }: Config, stream: string): Quotas {
  const { streamQuota, entryQuota } = registry;
  return defined({ stream: stream === registry.stream ? streamQuota : undefined, entry: entryQuota });
}

async function createStore(config: Config): Promise<BlobStore> {
  if (config.storage.type === 'directory') return new DirectoryStore(config.dataDir);
  // Loading the S3 client takes longer than most commands do.
  const { S3Store } = await import('../blobs/s3/s3-store.ts');
  const { type, credentials, redirect, ...options } = config.storage;
  return new S3Store({ ...options, ...credentials });
}

/** The streams that a configuration names, mirrors included. */
export function streamsOf(
  { streams, registry }: Pick<Config, 'streams' | 'registry'>,
  mirrors: readonly AnyDefinition[],
): string[] {
  const mirrored = mirrors.flatMap((definition) =>
    isSite(definition)
      ? Object.values(definition.streams).filter((stream) => stream !== false)
      : [definition.stream],
  );
  return [...Object.keys(streams), registry.stream, ...mirrored];
}
