import type { Stats } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { sep } from 'node:path';
import { codeOf, HeadwaterError } from '../errors.ts';
import { fileError } from './file-error.ts';

/** The file or directory to which a path leads through all symbolic links. */
export interface Target {
  /** Its real path. */
  path: string;
  stats: Stats;
}

/**
 * Follows all symbolic links of a path.
 * @returns undefined when the path or the target of a link does not exist
 * @throws HeadwaterError `invalid` or `unavailable` when it cannot be followed
 */
export async function follow(path: string): Promise<Target | undefined> {
  try {
    const real = await realpath(path);
    return { path: real, stats: await stat(real) };
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw fileError(error, { path, doing: 'read', isInput: true });
  }
}

/** Whether a path is a directory or below it; both are real paths. */
export function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory.endsWith(sep) ? directory : directory + sep);
}

/**
 * Checks that a symbolic link points to a regular file.
 * @param within a directory, by its real path, that the link must not leave
 * @throws HeadwaterError `invalid` when it is broken, or points to something else or out of the directory
 */
export async function checkLink(path: string, within?: string): Promise<void> {
  const target = await follow(path);
  if (target === undefined) throw badLink(path, 'points to a missing file');
  if (within !== undefined && !isWithin(target.path, within)) throw badLink(path, leadsOut(within));
  if (!target.stats.isFile()) throw badLink(path, 'does not point to a regular file');
}

/** The error of a symbolic link that cannot be used, with the reason. */
export function badLink(path: string, reason: string): HeadwaterError {
  return new HeadwaterError('invalid', `${path}: a symbolic link that ${reason}`);
}

/** The reason why a link is not followed. */
export function leadsOut(within: string): string {
  return `points outside of ${within}, and is not followed`;
}
