import { mirrorOf, ownerOf } from '../../catalog/products/mirror-owner.ts';
import type { MirrorDefinition } from '../../config/mirror-schema.ts';
import { sortVersions } from '../plan/held-versions.ts';
import type { MirrorParts } from './open-upstream.ts';
import type { MirrorState } from './state.ts';
import { storedDigests } from './stored-digests.ts';

/** What a mirror left behind that is defined no more. */
export interface Orphaned {
  mirror: string;
  /** Versions that were taken out of the documents: their bytes are not here, and nobody fetches them now. */
  unlisted: number;
  /** Versions that stay as they are. */
  kept: number;
}

/**
 * Takes out of the documents what mirrors listed on demand that are defined no more. Should one be defined again, its
 * next run lists everything anew.
 */
export async function unlistOrphans(
  definitions: Iterable<Pick<MirrorDefinition, 'name'>>,
  parts: Pick<MirrorParts, 'catalog' | 'store'>,
): Promise<Orphaned[]> {
  const defined = new Set([...definitions].map(({ name }) => name));
  const owners = await parts.catalog.products.owners();
  const gone = owners.flatMap((owner) => mirrorOf(owner) ?? []).filter((mirror) => !defined.has(mirror));
  if (gone.length === 0) return [];
  const stored = await storedDigests(parts);
  const orphaned: Orphaned[] = [];
  for (const mirror of gone) orphaned.push(await unlist(mirror, parts, (digest) => stored.has(digest)));
  return orphaned.filter(({ unlisted, kept }) => unlisted + kept > 0);
}

async function unlist(
  mirror: string,
  parts: Pick<MirrorParts, 'catalog'>,
  isStored: (digest: string) => boolean,
): Promise<Orphaned> {
  const owner = ownerOf(mirror);
  const catalog = parts.catalog.by({ who: owner, from: 'this machine' });
  const state = (await catalog.mirrors.state(mirror)) as MirrorState | undefined;
  const orphaned = { mirror, unlisted: 0, kept: 0 };
  for await (const { name, versions } of catalog.products.each({ owner })) {
    const { held, stored } = sortVersions([], versions, isStored);
    const lost = [...held].filter((serial) => !stored.has(serial));
    if (lost.length > 0 && state !== undefined && state.documents.length > 0) {
      await catalog.mirrors.setState(mirror, { ...state, documents: [] });
      state.documents = [];
    }
    for (const serial of lost) await catalog.versions.remove(name, serial);
    orphaned.unlisted += lost.length;
    orphaned.kept += stored.size;
  }
  return orphaned;
}
