import { join } from 'node:path';
import { removeStalePartials } from '../../files/partial-files.ts';

/** For how long an abandoned partial download is kept, in milliseconds. */
const partialLifetime = 7 * 24 * 3_600_000;

/** The directory for partial downloads of mirror runs. */
export function downloadsDirectory(dataDir: string): string {
  return join(dataDir, 'downloads');
}

/** The directory for partial downloads on demand. */
export function onDemandDirectory(dataDir: string): string {
  return join(downloadsDirectory(dataDir), 'on-demand');
}

/** Removes partial downloads that were abandoned for a week. */
export async function cleanDownloads(dataDir: string, now = new Date()): Promise<void> {
  const before = new Date(now.getTime() - partialLifetime);
  await removeStalePartials(downloadsDirectory(dataDir), before);
  await removeStalePartials(onDemandDirectory(dataDir), before);
}
