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

/** What a file of a version is for: its type, as far as its name tells it. A version has at most one of each. */
type Role = ItemType | 'other tarball';

// Of several names for the same role, the earlier pattern is preferred.
const patterns: [Role, RegExp][] = [
  ...itemTypeNames.flatMap((type) =>
    (factsOf(type).builderFiles ?? []).map((pattern): [Role, RegExp] => [type, pattern]),
  ),
  ...tarballFiles.map((pattern): [Role, RegExp] => ['other tarball', pattern]),
];

// Disks in formats that neither LXD nor Incus takes.
const foreignDiskName = /\.(?:img|raw|iso|vmdk|vhdx?|vdi|ova)$/;

/** Roots that are published together with metadata. */
const splitRoots = itemTypeNames.filter((type) => imageTypeOf(type) !== undefined && !isUnified(type));

/** A file that a version may be made of. */
export interface Candidate {
  name: string;
  role: Role;
  /** The lower, the sooner it is taken. */
  rank: number;
}

/** What a file is for, by its name; undefined for what no version is made of. */
export function candidateOf(name: string): Candidate | undefined {
  const rank = patterns.findIndex(([, pattern]) => pattern.test(name));
  const role = patterns[rank]?.[0];
  return role === undefined ? undefined : { name, role, rank };
}

/** Whether a file's name says that it is (or was meant to be) an image, or a part of one. Deltas are not. */
export function looksLikeImage(name: string): boolean {
  return candidateOf(name) !== undefined || foreignDiskName.test(name);
}

/** Whether a name is one that a program gives to an image file while it writes it. */
export function isPartial(name: string): boolean {
  return /\.(?:part|tmp)$/.test(name) && looksLikeImage(name.replace(/\.[^.]*$/, ''));
}

/** Why files that look like images are no part of a version, in words. */
export function leftOut(names: string[]): string[] {
  const disks = names.filter((name) => foreignDiskName.test(name) && candidateOf(name) === undefined);
  return [
    ...(names.some((name) => name.endsWith('.vcdiff')) ? ['deltas (*.vcdiff) were left out'] : []),
    ...disks.map((name) => `${name} was left out: virtual machine disks are published as qcow2`),
  ];
}

/** Tells whether two files that play the same role hold the same bytes. */
export type SameBytes = (one: Candidate, other: Candidate) => Promise<boolean>;

/**
 * Chooses a version's files among candidates: metadata and roots, or else one unified tarball.
 * @param where what messages call the place that the candidates are from
 * @returns the names of the chosen files, metadata first as far as names tell, and what was left out, in words
 * @throws HeadwaterError `invalid` when there is nothing to choose, no way to, or no root
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

/** A version that is not whole, or not yet. */
export function incomplete(where: string, reason: string): HeadwaterError {
  return new HeadwaterError('invalid', `${where}: incomplete: ${reason}`);
}

/** What belongs to the version, best first, and what does not because there is something better. */
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
