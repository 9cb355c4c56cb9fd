import type { Dirent } from 'node:fs';
import { readdir, realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { HeadwaterError, messageOf } from '../../errors.ts';
import { fileError } from '../../files/file-error.ts';
import { badLink, follow, isWithin, leadsOut } from '../../files/symbolic-links.ts';
import { parseArchitecture } from '../../model/architecture.ts';
import { type ProductKey, parseNamePart, parseSerial } from '../../model/names.ts';

/** A directory with the files of one version: `…/<os>/<release>/<architecture>/<variant>/<serial>`. */
export interface VersionDirectory {
  path: string;
  product: ProductKey;
  /** `YYYYMMDD_HHMM`, in whatever form the directory has it. */
  serial: string;
}

/** A failure in a tree, with its reason. */
export interface TreeFailure {
  path: string;
  error: Error;
}

// The file names of builders. A directory with such a file was meant to be a version.
const buildFile = /^(?:(?:lxd|incus|root|rootfs)\.tar\.|rootfs\.squashfs$|disk\.qcow2$)/;

/**
 * Finds version directories in a tree, sorted by name. Reads only the directories above them. Names that start with a
 * dot are not entered, symbolic links out of the tree are not followed.
 * @param onDirectory called with each directory that is read
 * @throws HeadwaterError `not-found` or `invalid` when `root` is not a readable directory
 */
export async function* walkTree(
  root: string,
  onDirectory?: (path: string) => void,
): AsyncGenerator<VersionDirectory | TreeFailure> {
  const start = resolve(root);
  const within = await realpath(start).catch((error: unknown) => {
    throw fileError(error, { path: root, doing: 'list', isInput: true });
  });
  const itself = versionIn(productAt(dirname(start)), start);
  if (itself !== undefined) {
    yield itself;
    return;
  }
  const pending = [start];
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    onDirectory?.(directory);
    let entries: Dirent[];
    try {
      entries = await readdir(directory, { withFileTypes: true });
    } catch (error) {
      if (directory === start) throw fileError(error, { path: root, doing: 'list', isInput: true });
      yield { path: directory, error: fileError(error, { path: directory, doing: 'list', isInput: true }) };
      continue;
    }
    const product = productAt(directory);
    const below: string[] = [];
    let misplaced = false;
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (entry.name.startsWith('.')) continue;
      const path = join(directory, entry.name);
      const version = versionIn(product, path);
      if (entry.isSymbolicLink()) {
        const found = await atLink(path, version, within);
        if (found !== undefined) yield found;
      } else if (entry.isDirectory()) {
        if (version === undefined) below.push(path);
        else yield version;
      }
      misplaced ||= entry.isFile() && buildFile.test(entry.name);
    }
    if (misplaced) yield { path: directory, error: misplacement(directory) };
    pending.push(...below.reverse());
  }
}

/**
 * The product whose versions a directory contains, if any; an error when its name cannot be a product's; and undefined
 * for a directory at another depth.
 */
function productAt(directory: string): ProductKey | Error | undefined {
  const [variant, architecture, release, os] = lastParts(directory);
  if (variant === undefined || architecture === undefined || release === undefined || os === undefined) {
    return undefined;
  }
  try {
    parseArchitecture(architecture);
  } catch {
    // Nothing else distinguishes a product's directory from others.
    return undefined;
  }
  try {
    return parseKey(os, release, architecture, variant);
  } catch (error) {
    return error instanceof Error ? error : new Error(messageOf(error));
  }
}

function parseKey(os: string, release: string, architecture: string, variant: string): ProductKey {
  return {
    os: parseNamePart('os', os),
    release: parseNamePart('release', release),
    architecture: parseArchitecture(architecture),
    variant: parseNamePart('variant', variant),
  };
}

/** The version in a directory, according to its name; undefined when the name is not a serial. */
function versionIn(
  product: ProductKey | Error | undefined,
  path: string,
): VersionDirectory | TreeFailure | undefined {
  if (product === undefined) return undefined;
  let serial: string;
  try {
    serial = parseSerial(basename(path));
  } catch {
    return undefined;
  }
  return product instanceof Error ? { path, error: product } : { path, product, serial };
}

/** The last names of a path, the last one first. */
function lastParts(path: string): string[] {
  return path
    .split(sep)
    .filter((part) => part !== '')
    .reverse();
}

/** A link in the place of a version is that version; the target of a link elsewhere in the tree is found there. */
async function atLink(
  path: string,
  version: VersionDirectory | TreeFailure | undefined,
  within: string,
): Promise<VersionDirectory | TreeFailure | undefined> {
  try {
    const target = await follow(path);
    if (target === undefined) {
      return version === undefined ? undefined : { path, error: badLink(path, 'points to a missing file') };
    }
    if (!target.stats.isDirectory()) return undefined;
    return isWithin(target.path, within) ? version : { path, error: badLink(path, leadsOut(within)) };
  } catch (error) {
    return { path, error: fileError(error, { path, doing: 'read', isInput: true }) };
  }
}

/** Why a directory with the files of a version is not one. */
function misplacement(directory: string): HeadwaterError {
  let reason = 'publish it by itself';
  try {
    const [name = '', variant = '', architecture = '', release = '', os = ''] = lastParts(directory);
    parseSerial(name);
    parseKey(os, release, architecture, variant);
  } catch (error) {
    reason = messageOf(error);
  }
  return new HeadwaterError(
    'invalid',
    `${directory}: holds image files, but is not at <os>/<release>/<architecture>/<variant>/<serial>: ${reason}`,
  );
}
