import { join } from 'node:path';
import { removeStalePartials } from '../../files/partial-files.ts';

/** What arrived of a file that nobody goes on with is worth keeping for this long, in milliseconds. */
const patience = 7 * 24 * 3_600_000;

/** Where files of upstreams lie that arrive in runs of mirrors. */
export function downloadsDirectory(dataDir: string): string {
  return join(dataDir, 'downloads');
}

/** Where files of upstreams lie that arrive because somebody asked for them. */
export function onDemandDirectory(dataDir: string): string {
  return join(downloadsDirectory(dataDir), 'on-demand');
}

/** Removes what arrived of files and was left for a week. */
export async function cleanDownloads(dataDir: string, now = new Date()): Promise<void> {
  const before = new Date(now.getTime() - patience);
  await removeStalePartials(downloadsDirectory(dataDir), before);
  await removeStalePartials(onDemandDirectory(dataDir), before);
}
