import { join } from 'node:path';
import type { BlobStore } from './blobs/blob-store.ts';
import { DirectoryStore } from './blobs/directory-store.ts';
import { Catalog } from './catalog/catalog.ts';
import type { Config } from './config/schema.ts';
import { Intake } from './publish/intake.ts';
import { LocalDestination } from './publish/local-destination.ts';

/** A data directory with its store, open: what the server and the commands work on. */
export interface Workspace {
  catalog: Catalog;
  store: BlobStore;
  destination: LocalDestination;
  close(): Promise<void>;
}

/**
 * Opens the data directory and the blob store that a configuration names, and makes them where they are missing.
 * Several processes may have them open at the same time.
 * @param options.observe wraps the store
 * @throws HeadwaterError `unavailable`, naming what cannot be opened
 */
export async function openWorkspace(
  config: Config,
  options: { observe?: (store: BlobStore) => BlobStore } = {},
): Promise<Workspace> {
  const catalog = await Catalog.open(join(config.dataDir, 'catalog.db'));
  const bare = await createStore(config);
  const store = options.observe?.(bare) ?? bare;
  try {
    // Not observed: what fails here ends the start, before anything counts failures.
    await bare.open();
  } catch (error) {
    await catalog.close();
    throw error;
  }
  await catalog.reserve.restore();
  const intake = new Intake();
  return {
    catalog,
    store,
    destination: new LocalDestination({ catalog, store, intake }),
    close: async () => {
      await intake.close();
      await store.close();
      await catalog.close();
    },
  };
}

async function createStore(config: Config): Promise<BlobStore> {
  if (config.storage.type === 'directory') return new DirectoryStore(config.dataDir);
  // Loading the S3 client takes longer than most commands do.
  const { S3Store } = await import('./blobs/s3-store.ts');
  const { type, credentials, redirect, ...options } = config.storage;
  return new S3Store({ ...options, ...credentials });
}
