import { existsSync } from 'node:fs';
import type { BlobStore } from '../../blobs/blob-store.ts';
import type { Catalog } from '../../catalog/catalog.ts';
import type { Config } from '../../config/schema.ts';
import { HeadwaterError } from '../../errors.ts';
import type { LocalDestination } from '../../publish/destination/local-destination.ts';
import type { Intake } from '../../publish/intake/intake.ts';
import { catalogFileOf } from '../../server/catalog-file.ts';
import { commandLineActor } from './command-line-actor.ts';

/** The catalog and the blob store, for the storage commands. */
export interface StorageParts {
  catalog: Catalog;
  store: BlobStore;
  intake: Intake;
  destination: LocalDestination;
}

/**
 * Opens the catalog and the blob store without checks, does the work and closes them: also a store that lost every blob or
 * belongs to another catalog.
 * @throws HeadwaterError `not-found` if there is no catalog
 */
export async function withStorage<Result>(
  config: Config,
  work: (parts: StorageParts) => Promise<Result>,
): Promise<Result> {
  if (!existsSync(catalogFileOf(config))) {
    throw new HeadwaterError(
      'not-found',
      `no Headwater data in ${config.dataDir}. Use --data-dir or --config`,
    );
  }
  const { openWorkspace } = await import('../../server/workspace.ts');
  const workspace = await openWorkspace(config, { mayBeEmpty: true });
  try {
    const { store, intake, destination } = workspace;
    return await work({ catalog: workspace.catalog.by(commandLineActor()), store, intake, destination });
  } finally {
    await workspace.close();
  }
}
