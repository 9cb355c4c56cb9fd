import type { Item } from '../../model/versions.ts';
import type { OfferedFile, OfferedVersion } from '../../simplestreams/read/offered.ts';
import type { Serials } from './retention.ts';

/** A version in the catalog, as far as a plan needs it. */
export interface HeldVersion {
  serial: string;
  items: Pick<Item, 'type' | 'digest'>[];
}

/** Sorts the versions of a product by where they are. @param isStored whether the store has a digest */
export function sortVersions(
  offered: readonly OfferedVersion[],
  held: readonly HeldVersion[],
  isStored: (digest: string) => boolean,
): Serials {
  // Clients can do without a delta.
  const stored = held.filter(({ items }) =>
    items.every(({ type, digest }) => type === 'squashfs.vcdiff' || isStored(digest)),
  );
  const serials = {
    offered: new Set(offered.map(({ serial }) => serial)),
    held: new Set(held.map(({ serial }) => serial)),
    stored: new Set(stored.map(({ serial }) => serial)),
  };
  const bySerial = new Map(offered.map((version) => [version.serial, version]));
  for (const { serial, items } of held) {
    const version = bySerial.get(serial);
    // The listed bytes are no longer available.
    if (version !== undefined && !serials.stored.has(serial) && !sameFiles(version, items)) {
      serials.offered.delete(serial);
    }
  }
  return serials;
}

/** Whether an offered version has the same files as the held one, as far as digests show. */
export function sameFiles(version: OfferedVersion, items: HeldVersion['items']): boolean {
  const digests = new Set(items.map(({ digest }) => digest));
  if (isTakenApart(version) && items.some(({ type }) => type === 'metadata')) return true;
  return mainFiles(version).every(({ sha256 }) => sha256 === undefined || digests.has(sha256));
}

/**
 * The files of an offered version to download, or to list with a new path, so that all its listed files are available.
 * @param sourceOf the path from which a blob is fetched on demand; absent where all files are downloaded
 */
export function lackingFiles<File extends OfferedFile>(
  version: OfferedVersion,
  items: HeldVersion['items'],
  candidates: readonly File[],
  options: { isStored: (digest: string) => boolean; sourceOf?: (digest: string) => string | undefined },
): File[] {
  const { isStored, sourceOf } = options;
  const lost = items.filter(({ digest }) => !isStored(digest));
  const isUnclear = isTakenApart(version) || mainFiles(version).some(({ sha256 }) => sha256 === undefined);
  if (isUnclear && lost.some(({ type }) => type !== 'squashfs.vcdiff')) return [...candidates];
  const digests = new Set<string>(lost.map(({ digest }) => digest));
  return candidates.filter(
    ({ sha256, path }) => sha256 !== undefined && digests.has(sha256) && sourceOf?.(sha256) !== path,
  );
}

/** Listed deltas that are neither stored nor offered any more: clients cannot download them. */
export function lostDeltas(
  offered: OfferedVersion | undefined,
  items: HeldVersion['items'],
  isStored: (digest: string) => boolean,
): string[] {
  const digests = new Set<string | undefined>(offered?.deltas.map(({ sha256 }) => sha256));
  return items
    .filter(({ type, digest }) => type === 'squashfs.vcdiff' && !isStored(digest) && !digests.has(digest))
    .map(({ digest }) => digest);
}

/** Whether publishing splits it into other files: a unified virtual machine, whose own digest is not stored. */
export function isTakenApart({ roots }: OfferedVersion): boolean {
  return roots.some(({ unified, type }) => unified && type === 'virtual-machine');
}

function mainFiles({ metadata, roots }: OfferedVersion): OfferedFile[] {
  return [...(metadata === undefined ? [] : [metadata]), ...roots];
}
