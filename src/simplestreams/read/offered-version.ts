import { HeadwaterError } from '../../errors.ts';
import { defined } from '../../model/defined.ts';
import { type ItemType, imageTypeOf, isUnified, knownFtypes } from '../../model/item-types.ts';
import { text } from './fields.ts';
import type { OfferedDelta, OfferedFile, OfferedRoot, OfferedVersion, Skips } from './offered.ts';
import { upstreamPath } from './path.ts';
import type { ListedVersion } from './products-document.ts';
import { serialFromUpstream } from './serial.ts';
import {
  announcedFingerprint,
  type ListedItem,
  readFile,
  readVersion,
  type VersionContent,
} from './version.ts';

interface Entry {
  file: OfferedFile;
  item: ListedItem;
}

/**
 * Reads the files of a version that an upstream offers: of one file under several ftypes, the one that clients prefer.
 * @param serial what the version is called here
 * @returns undefined, and it is counted, when there is no image in it
 * @throws HeadwaterError `invalid` when it is no version
 */
export function readOfferedVersion(
  listed: ListedVersion,
  serial: string,
  options: { deltas: boolean; skips: Skips; serials: ReadonlyMap<string, string> },
): { content: VersionContent; version: OfferedVersion } | undefined {
  const { name, where } = listed;
  const { skips } = options;
  const onSkip = (error: HeadwaterError) => skips.add('an item cannot be used', error.message);
  const attempt = <Result>(read: () => Result[]): Result[] => {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof HeadwaterError)) throw error;
      onSkip(error);
      return [];
    }
  };
  const content = readVersion(listed, onSkip);
  /** The usable files of an ftype. */
  const filesOf = (ftype: string) =>
    content.items
      .filter((item) => item.ftype === ftype)
      .flatMap((item) => attempt(() => [{ file: offeredFile(item), item }]));
  const firstOf = (type: ItemType) =>
    knownFtypes.filter((known) => known.type === type).flatMap(({ ftype }) => filesOf(ftype))[0];

  const metadata = firstOf('metadata');
  const roots: OfferedRoot[] = [];
  for (const { ftype, type: itemType, fingerprintFields = [] } of knownFtypes) {
    const type = imageTypeOf(itemType);
    if (type === undefined || isUnified(itemType)) continue;
    const root = filesOf(ftype)[0];
    if (root === undefined || metadata === undefined) continue;
    const fingerprint = announcedFingerprint(metadata.item.fields, fingerprintFields);
    roots.push({ ...root.file, type, unified: false, ...defined({ fingerprint }) });
  }
  const unified = firstOf('combined');
  // A split image needs no unified one beside it: clients prefer it, and it can share files with other versions.
  if (unified !== undefined && roots.length === 0) roots.push(unifiedRoot(unified));
  if (roots.length === 0) {
    skips.add(
      metadata === undefined ? 'there is no metadata for LXD or Incus' : 'there is no root that clients know',
      where,
    );
    return undefined;
  }
  // Clients take deltas of disks from the wrong base: only those of squashfs are of use.
  const deltas = options.deltas
    ? filesOf('squashfs.vcdiff').flatMap((file) => attempt(() => delta(file, serial, options.serials)))
    : [];
  const version = {
    name,
    serial,
    ...defined({ label: content.label }),
    ...(metadata === undefined || roots.some((root) => root.unified) ? {} : { metadata: metadata.file }),
    roots,
    deltas,
  };
  return { content, version };
}

function offeredFile(item: ListedItem): OfferedFile {
  const file = readFile(item, upstreamPath);
  const { size, sha256, sha512, md5 } = file;
  if (size === undefined || size === 0) {
    throw new HeadwaterError('invalid', `${item.where}.size: expected a number of bytes`);
  }
  if (sha256 === undefined && sha512 === undefined && md5 === undefined) {
    throw new HeadwaterError('invalid', `${item.where}: it has no sha256, sha512 or md5`);
  }
  return { ...file, size };
}

function unifiedRoot({ file, item }: Entry): OfferedRoot {
  const isVirtualMachine = item.fields['combined_type'] === 'virtual-machine';
  return {
    ...file,
    type: isVirtualMachine ? 'virtual-machine' : 'container',
    unified: true,
    ...defined({ fingerprint: file.sha256 }),
  };
}

function delta({ file, item }: Entry, serial: string, serials: ReadonlyMap<string, string>): OfferedDelta[] {
  const name = text(item.fields, 'delta_base', item.where) ?? '';
  const base = serials.get(name) ?? serialFromUpstream(name);
  return base === undefined || base >= serial ? [] : [{ ...file, base }];
}
