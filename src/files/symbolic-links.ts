import type { Stats } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { sep } from 'node:path';
import { codeOf, HeadwaterError } from '../errors.ts';
import { fileError } from './file-error.ts';

/** What lies at the end of a path, once every symbolic link on it is followed. */
export interface Target {
  /** Where it really is. */
  path: string;
  stats: Stats;
}

/**
 * Follows a path to what is there.
 * @returns undefined when nothing is
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

/** Whether a path is a directory or lies below it; both are real paths. */
export function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory.endsWith(sep) ? directory : directory + sep);
}

/**
 * Checks that a symbolic link leads to a regular file.
 * @param within a directory, by its real path, that the link must not lead out of
 * @throws HeadwaterError `invalid` when it leads nowhere, to something else, or out of the directory
 */
export async function checkLink(path: string, within?: string): Promise<void> {
  const target = await follow(path);
  if (target === undefined) throw badLink(path, 'leads nowhere');
  if (within !== undefined && !isWithin(target.path, within)) throw badLink(path, leadsOut(within));
  if (!target.stats.isFile()) throw badLink(path, 'leads to no regular file');
}

/** A symbolic link that is of no use, and why. */
export function badLink(path: string, reason: string): HeadwaterError {
  return new HeadwaterError('invalid', `${path}: a symbolic link that ${reason}`);
}

/** Says of a link that it is not followed. */
export function leadsOut(within: string): string {
  return `leads out of ${within}, and is not followed`;
}
