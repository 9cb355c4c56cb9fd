import { isKind } from '../../errors.ts';
import type { StoredFile } from '../../publish/destination/destination.ts';
import type { LocalDestination } from '../../publish/destination/local-destination.ts';
import type { Progress } from '../../publish/request.ts';
import type { ExpectedFile } from './expected-file.ts';

/**
 * A file that the catalog knows and whose bytes are here.
 * @returns undefined when it is to be fetched
 * @throws HeadwaterError what the store or the catalog failed with
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
