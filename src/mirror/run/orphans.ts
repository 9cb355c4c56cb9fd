import { mirrorOf, ownerOf } from '../../catalog/products/ownership.ts';
import type { MirrorServices } from '../mirror-services.ts';
import { sortVersions } from '../plan/held-versions.ts';

/** A mirror that has versions in the catalog, and no definition. */
export interface OrphanedMirror {
  mirror: string;
  versions: number;
  /** Versions that were only listed on demand: without a definition, clients cannot download them. */
  notDownloaded: number;
}

/**
 * Finds mirrors that the catalog knows and no definition describes. It changes nothing: the definitions may be somewhere
 * else (a wrong `mirrorDir`, another server on the same catalog).
 */
export async function orphanedMirrors(
  definitions: Iterable<{ name: string }>,
  { catalog }: Pick<MirrorServices, 'catalog'>,
): Promise<OrphanedMirror[]> {
  const known = new Set([...definitions].map(({ name }) => name));
  const owners = await catalog.products.owners();
  const unknown = owners.flatMap((owner) => mirrorOf(owner) ?? []).filter((mirror) => !known.has(mirror));
  if (unknown.length === 0) return [];
  const digests = await catalog.blobs.digests();
  const orphans: OrphanedMirror[] = [];
  for (const mirror of unknown) {
    const orphan = { mirror, versions: 0, notDownloaded: 0 };
    for await (const { versions } of catalog.products.each({ owner: ownerOf(mirror) })) {
      const { held, stored } = sortVersions([], versions, (digest) => digests.has(digest));
      orphan.versions += held.size;
      orphan.notDownloaded += held.size - stored.size;
    }
    if (orphan.versions > 0) orphans.push(orphan);
  }
  return orphans;
}

/** Says what an orphaned mirror means, and what an administrator can do. */
export function describeOrphan(
  { mirror, versions, notDownloaded }: OrphanedMirror,
  mirrorDir: string,
): string {
  const unavailable =
    notDownloaded === 0 ? '' : `, ${notDownloaded} of them not downloaded: clients get 503 for these`;
  const dropSome = notDownloaded === 0 ? '' : ` (with --not-downloaded, only those that are not downloaded)`;
  return [
    `mirror ${mirror} has versions in the catalog (${versions}${unavailable}), but ${mirrorDir} has no ${mirror}.yaml.`,
    `Restore the file or correct mirrorDir. If the mirror was renamed, run "headwater mirror hand-over ${mirror} NEW-NAME".`,
    `To remove its versions, run "headwater mirror drop ${mirror}"${dropSome}`,
  ].join(' ');
}
