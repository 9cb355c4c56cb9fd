import { HeadwaterError } from '../../errors.ts';
import { defined } from '../../model/defined.ts';
import { type Digest, parseDigest } from '../../model/digest.ts';
import { type ItemType, imageTypeOf, isUnified, knownFtypes } from '../../model/item-types.ts';
import { mapping, text, type Untyped } from './fields.ts';
import type { OfferedDelta, OfferedFile, OfferedRoot, OfferedVersion, Skips } from './offered.ts';
import { upstreamPath } from './path.ts';
import { serialFromUpstream } from './serial.ts';

/** An item, with what its document says of it. */
interface Entry {
  fields: Untyped;
  where: string;
}

/**
 * Reads a version of an upstream's document.
 * @returns undefined, and it is counted, when there is no image in it
 */
export function readVersion(
  name: string,
  serial: string,
  value: unknown,
  where: string,
  options: { deltas: boolean; skips: Skips; serials: ReadonlyMap<string, string> },
): OfferedVersion | undefined {
  const { skips } = options;
  const fields = mapping(value, where);
  const byType = new Map<string, Entry[]>();
  const attempt = <Result>(read: () => Result[]): Result[] => {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof HeadwaterError)) throw error;
      skips.add('an item cannot be used', error.message);
      return [];
    }
  };
  for (const [key, item] of Object.entries(mapping(fields['items'], `${where}: items`))) {
    attempt(() => {
      const entry = { fields: mapping(item, `${where}: ${key}`), where: `${where}: ${key}` };
      const ftype = text(entry.fields, 'ftype', entry.where) ?? '';
      byType.set(ftype, [...(byType.get(ftype) ?? []), entry]);
      return [];
    });
  }
  /** The usable files of a type. */
  const filesOf = (ftype: string) =>
    (byType.get(ftype) ?? []).flatMap((entry) => attempt(() => [{ file: readFile(entry, ftype), entry }]));

  /** Of one thing under several ftypes, the one that is there and that clients prefer is taken. */
  const firstOf = (type: ItemType) =>
    knownFtypes.filter((known) => known.type === type).flatMap(({ ftype }) => filesOf(ftype))[0];

  const metadata = firstOf('metadata');
  const roots: OfferedRoot[] = [];
  for (const { ftype, type: itemType, fingerprintFields = [] } of knownFtypes) {
    const type = imageTypeOf(itemType);
    if (type === undefined || isUnified(itemType)) continue;
    const root = filesOf(ftype)[0];
    if (root === undefined || metadata === undefined) continue;
    const said = fingerprintFields.map((field) => metadata.entry.fields[field]).find(isDigest);
    roots.push({
      ...root.file,
      type,
      unified: false,
      ...(said === undefined ? {} : { fingerprint: parseDigest(said) }),
    });
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
  const [label] = attempt(() => [text(fields, 'label', where)]);
  // Clients take deltas of disks from the wrong base: only those of squashfs are of use.
  const deltas = options.deltas
    ? filesOf('squashfs.vcdiff').flatMap((found) => attempt(() => delta(found, serial, options.serials)))
    : [];
  return {
    name,
    serial,
    ...defined({ label }),
    ...(metadata === undefined || roots.some((root) => root.unified) ? {} : { metadata: metadata.file }),
    roots,
    deltas,
  };
}

function unifiedRoot({ file, entry }: { file: OfferedFile; entry: Entry }): OfferedRoot {
  const isVirtualMachine = entry.fields['combined_type'] === 'virtual-machine';
  return {
    ...file,
    type: isVirtualMachine ? 'virtual-machine' : 'container',
    unified: true,
    ...defined({ fingerprint: file.sha256 }),
  };
}

function delta(
  { file, entry }: { file: OfferedFile; entry: Entry },
  serial: string,
  serials: ReadonlyMap<string, string>,
): OfferedDelta[] {
  const name = text(entry.fields, 'delta_base', entry.where) ?? '';
  const base = serials.get(name) ?? serialFromUpstream(name);
  return base === undefined || base >= serial ? [] : [{ ...file, base }];
}

function readFile({ fields, where }: Entry, ftype: string): OfferedFile {
  const { size, sha256, sha512, md5 } = fields;
  if (!Number.isSafeInteger(size) || Number(size) <= 0) {
    throw new HeadwaterError('invalid', `${where}: its size is no number of bytes`);
  }
  const path = upstreamPath(text(fields, 'path', where) ?? '', `${where}: path`);
  const file = { ftype, path, size: Number(size) };
  if (isDigest(sha256)) return { ...file, sha256: parseDigest(sha256) };
  if (isHex(sha512, 128)) return { ...file, sha512: sha512.toLowerCase() };
  if (isHex(md5, 32)) return { ...file, md5: md5.toLowerCase() };
  throw new HeadwaterError('invalid', `${where}: it has no sha256, sha512 or md5`);
}

function isDigest(value: unknown): value is Digest {
  return isHex(value, 64);
}

function isHex(value: unknown, digits: number): value is string {
  return typeof value === 'string' && value.length === digits && /^[0-9a-f]+$/i.test(value);
}
