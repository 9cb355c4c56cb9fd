import { isKind } from '../../errors.ts';
import type { StoredFile } from '../../publish/destination/destination.ts';
import type { LocalDestination } from '../../publish/destination/local-destination.ts';
import type { Progress } from '../../publish/request.ts';
import type { ExpectedFile } from './expected-file.ts';

/**
 * Finds a file that is stored already.
 * @returns undefined when it must be downloaded
 * @throws HeadwaterError the errors of the store and the catalog
 */
export async function heldFile(
  { path, size, sha256 }: ExpectedFile,
  destination: LocalDestination,
  progress: Progress | undefined,
): Promise<StoredFile | undefined> {
  if (sha256 === undefined) return undefined;
  try {
    const kept = await destination.store({ from: 'blob', name: path, digest: sha256 });
    progress?.({ file: path, done: size, total: size });
    return kept;
  } catch (error) {
    if (!isKind(error, 'not-found')) throw error;
    return undefined;
  }
}
