import { chmod } from 'node:fs/promises';
import { codeOf } from '../../errors.ts';
import { fileError } from '../../files/file-error.ts';
import { statOf } from '../../files/file-system.ts';

/**
 * Sets the ctime of a file to now and changes nothing else: its mtime may be that of a file that was adopted. A file of
 * another user stays as old as it is.
 * @param size the bytes that the file must have; any number when undefined
 * @returns false when there is no such file
 */
export async function renewFile(path: string, size?: number): Promise<boolean> {
  const file = await statOf(path);
  if (file === undefined || (size !== undefined && file.size !== size)) return false;
  try {
    await chmod(path, file.mode & 0o7777);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    if (codeOf(error) !== 'EPERM') throw fileError(error, { path, doing: 'write' });
  }
  return true;
}
