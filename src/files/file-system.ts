import type { Dirent, Stats } from 'node:fs';
import { access, constants, open, readdir, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { codeOf } from '../errors.ts';
import { fileError } from './file-error.ts';

// Operations on files as the directory store needs them. All throw HeadwaterErrors that name the path.

/** The attributes of a file or directory; undefined when it does not exist. */
export async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw fileError(error, { path: await deniedPath(path, error), doing: 'read' });
  }
}

/**
 * The path that an error should name: where permission is denied, the topmost directory above the path that may not be
 * entered, if there is one. The file itself tells nobody what to change.
 */
export async function deniedPath(path: string, error: unknown): Promise<string> {
  const parent = dirname(path);
  if (codeOf(error) !== 'EACCES' || parent === path) return path;
  const isOpen = await access(parent, constants.X_OK).then(
    () => true,
    () => false,
  );
  return isOpen ? path : await deniedPath(parent, error);
}

/** Removes a file; one that does not exist is a success. */
export async function removeFile(path: string): Promise<void> {
  await rm(path, { force: true }).catch(async (error: unknown) => {
    throw fileError(error, { path: await deniedPath(path, error), doing: 'remove' });
  });
}

/** The entries of a directory; none when it does not exist. */
export async function entriesOf(path: string): Promise<Dirent[]> {
  try {
    return await readdir(path, { withFileTypes: true });
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw fileError(error, { path, doing: 'read' });
  }
}

/** Waits until the disk has the names in a directory: those that were added, changed or removed. */
export async function syncDirectory(path: string): Promise<void> {
  try {
    const handle = await open(path);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw fileError(error, { path, doing: 'write' });
  }
}
