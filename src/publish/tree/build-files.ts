import { HeadwaterError } from '../../errors.ts';
import {
  factsOf,
  type ItemType,
  imageTypeOf,
  isUnified,
  itemTypeNames,
  lxcMetadataFile,
  tarballFiles,
} from '../../model/item-types.ts';

/** The role of a file in a version, according to its name. A version has at most one file of each role. */
type Role = ItemType | 'other tarball';

// Of several names for the same role, the earlier pattern is preferred.
const patterns: [Role, RegExp][] = [
  ...itemTypeNames.flatMap((type) =>
    (factsOf(type).builderFiles ?? []).map((pattern): [Role, RegExp] => [type, pattern]),
  ),
  ...tarballFiles.map((pattern): [Role, RegExp] => ['other tarball', pattern]),
];

// Disks in formats that neither LXD nor Incus accepts.
const foreignDiskName = /\.(?:img|raw|iso|vmdk|vhdx?|vdi|ova)$/;

/** Roots that are published together with metadata. */
const splitRoots = itemTypeNames.filter((type) => imageTypeOf(type) !== undefined && !isUnified(type));

/** A file that may belong to a version. */
export interface Candidate {
  name: string;
  role: Role;
  /** The lower, the more preferred. */
  rank: number;
}

/** The role of a file, by its name; undefined for a file that belongs to no version. */
export function candidateOf(name: string): Candidate | undefined {
  const rank = patterns.findIndex(([, pattern]) => pattern.test(name));
  const role = patterns[rank]?.[0];
  return role === undefined ? undefined : { name, role, rank };
}

/** Whether a file's name says that it is (or was meant to be) an image, or a part of one. Deltas are not. */
export function looksLikeImage(name: string): boolean {
  return candidateOf(name) !== undefined || foreignDiskName.test(name);
}

/** Whether a program gives such a name to an image file while it writes the file. */
export function isPartial(name: string): boolean {
  return /\.(?:part|tmp)$/.test(name) && looksLikeImage(name.replace(/\.[^.]*$/, ''));
}

/** Explains why files that look like images are not part of a version. */
export function leftOut(names: string[]): string[] {
  const disks = names.filter((name) => foreignDiskName.test(name) && candidateOf(name) === undefined);
  return [
    ...(names.some((name) => name.endsWith('.vcdiff')) ? ['deltas (*.vcdiff) were left out'] : []),
    ...disks.map((name) => `${name} was left out: virtual machine disks are published as qcow2`),
  ];
}

/** Tells whether two files of the same role have the same bytes. */
export type SameBytes = (one: Candidate, other: Candidate) => Promise<boolean>;

/**
 * Chooses a version's files among candidates: metadata and roots, or else one unified tarball.
 * @param where the origin of the candidates, in messages
 * @returns the names of the chosen files, metadata first as far as names tell, and warnings about omitted files
 * @throws HeadwaterError `invalid` when there are no candidates, the choice is ambiguous, or there is no root
 */
export async function chooseFiles(
  candidates: Candidate[],
  where: string,
  sameBytes: SameBytes,
): Promise<{ chosen: string[]; warnings: string[] }> {
  const { chosen, rest } = split(candidates, where);
  const warnings = rest.map(({ name }) => `${name} was left out: the version has other files`);
  const taken = new Map<Role, Candidate>();
  for (const candidate of chosen) {
    const first = taken.get(candidate.role);
    if (first === undefined) {
      taken.set(candidate.role, candidate);
    } else if (!isForLxc(candidate, first) && !(await sameBytes(first, candidate))) {
      const reason = candidate.role === 'metadata' ? 'differs from it and was taken' : 'was taken';
      warnings.push(`${candidate.name} was left out: ${first.name} ${reason}`);
    }
  }
  const metadata = taken.get('metadata');
  if (metadata !== undefined && taken.size === 1) {
    throw incomplete(where, `${metadata.name} has no root beside it: a squashfs, a tarball or a qcow2 disk`);
  }
  return { chosen: [...taken.values()].map(({ name }) => name), warnings };
}

/** A version that is incomplete, perhaps only for now. */
export function incomplete(where: string, reason: string): HeadwaterError {
  return new HeadwaterError('invalid', `${where}: incomplete: ${reason}`);
}

/** The files of the version, the preferred first, and the files that are omitted because there are better ones. */
function split(candidates: Candidate[], where: string): { chosen: Candidate[]; rest: Candidate[] } {
  const ordered = candidates.toSorted((a, b) => a.rank - b.rank || (a.name < b.name ? -1 : 1));
  const among = (...roles: Role[]) => ordered.filter(({ role }) => roles.includes(role));
  const parts = among('metadata', ...splitRoots);
  const combined = among('combined');
  const tarballs = among('other tarball');
  const [tarball] = tarballs;
  if (parts.length > 0) {
    // The missing half of a split image may have any name, if it is the only one.
    const fills = tarball !== undefined && tarballs.length === 1 && isHalf(parts);
    const [half, rest] = fills ? [[tarball], combined] : [[], [...combined, ...tarballs]];
    return { chosen: [...parts, ...half], rest };
  }
  if (combined.length > 0) return { chosen: combined, rest: tarballs };
  if (tarball === undefined) {
    throw new HeadwaterError(
      'invalid',
      `${where}: no image files: expected lxd.tar.xz or incus.tar.xz with rootfs.squashfs, rootfs.tar.xz or disk.qcow2, or one tarball`,
    );
  }
  if (tarballs.length > 1) {
    const names = tarballs.map(({ name }) => name).join(', ');
    throw new HeadwaterError('invalid', `${where}: several tarballs (${names}): publish the one you mean`);
  }
  return { chosen: [tarball], rest: [] };
}

/** Whether there is only metadata, or only roots of kinds that cannot be published without it. */
function isHalf(parts: Candidate[]): boolean {
  const roles = new Set(parts.map(({ role }) => role));
  return roles.has('metadata') ? roles.size === 1 : !roles.has('root.tar.xz');
}

/** LXC's own metadata has no meaning here; builders leave it beside that of LXD or Incus. */
function isForLxc(candidate: Candidate, first: Candidate): boolean {
  return (
    candidate.role === 'metadata' && lxcMetadataFile.test(candidate.name) && !lxcMetadataFile.test(first.name)
  );
}
