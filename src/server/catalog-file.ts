import { join } from 'node:path';

/** The file of the catalog in a data directory. */
export function catalogFileOf({ dataDir }: { dataDir: string }): string {
  return join(dataDir, 'catalog.db');
}
