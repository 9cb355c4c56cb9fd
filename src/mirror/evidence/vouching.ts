import type { Item } from '../../model/versions.ts';
import type { OfferedVersion } from '../../simplestreams/read/offered.ts';
import { isTakenApart } from '../plan/held-versions.ts';

/** What a document says about the files of a version in the catalog. */
export interface Vouching {
  /**
   * `same`: it lists exactly these files. `other`: it lists other files for the version. `unclear`: it does not say enough to
   * tell.
   */
  result: 'same' | 'other' | 'unclear';
  /** Unless it lists the same: what is different or missing. */
  reason?: string;
}

/**
 * Compares the files of a version in the catalog with those that a document lists. Deltas do not count: clients check the
 * image that a delta makes by its fingerprint.
 */
export function vouching(
  version: OfferedVersion,
  items: readonly Pick<Item, 'type' | 'file' | 'digest' | 'size' | 'fingerprint'>[],
): Vouching {
  if (isTakenApart(version)) {
    return unclear('the image was split when it was mirrored, so that the document does not list its files');
  }
  const main = items.filter(({ type }) => type !== 'squashfs.vcdiff');
  let doubt: Vouching | undefined;
  for (const item of main) {
    const found = item.type === 'metadata' ? ofMetadata(version, item, main) : ofRoot(version, item);
    if (found.result === 'other') return found;
    if (found.result === 'unclear') doubt ??= found;
  }
  return doubt ?? same;
}

const same: Vouching = { result: 'same' };

type Compared = Pick<Item, 'type' | 'file' | 'digest' | 'size' | 'fingerprint'>;

function ofMetadata(
  { metadata, roots }: OfferedVersion,
  item: Compared,
  items: readonly Compared[],
): Vouching {
  if (metadata === undefined)
    return other(`the document lists no metadata beside its image, and here is ${item.file}`);
  if (metadata.sha256 !== undefined) return compared(item, { ...metadata, sha256: metadata.sha256 });
  // The fingerprint of an image covers its metadata, too.
  const isCovered = items.some(({ fingerprint }) =>
    roots.some((root) => isAnnounced(root.fingerprint, fingerprint)),
  );
  return isCovered && metadata.size === item.size
    ? same
    : unclear(`the document has no SHA-256 of ${item.file}`);
}

function ofRoot({ roots }: OfferedVersion, item: Compared): Vouching {
  const root = roots.find(({ sha256 }) => sha256 === item.digest);
  if (root !== undefined) {
    if (root.fingerprint !== undefined && root.fingerprint !== item.fingerprint) {
      return other(
        `the document says that the fingerprint of ${item.file} is ${root.fingerprint}, and the catalog has ${item.fingerprint ?? 'none'}`,
      );
    }
    return compared(item, { ...root, sha256: item.digest });
  }
  const isCovered = roots.some(
    ({ sha256, size, fingerprint }) =>
      sha256 === undefined && size === item.size && isAnnounced(fingerprint, item.fingerprint),
  );
  if (isCovered) return same;
  return roots.some(({ sha256 }) => sha256 === undefined)
    ? unclear(`the document has no SHA-256 of ${item.file}`)
    : other(`the document does not list ${item.file} with the SHA-256 ${item.digest}`);
}

function isAnnounced(announced: string | undefined, fingerprint: string | undefined): boolean {
  return announced !== undefined && announced === fingerprint;
}

function compared(item: Compared, listed: { sha256: string; size: number }): Vouching {
  if (listed.sha256 !== item.digest) {
    return other(
      `the document says that the SHA-256 of ${item.file} is ${listed.sha256}, and the catalog has ${item.digest}`,
    );
  }
  if (listed.size === item.size) return same;
  return other(
    `the document says that ${item.file} has ${listed.size} bytes, and the catalog has ${item.size}`,
  );
}

function other(reason: string): Vouching {
  return { result: 'other', reason };
}

function unclear(reason: string): Vouching {
  return { result: 'unclear', reason };
}
