import { chmodSync, closeSync, lstatSync, openSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { codeOf } from '../../errors.ts';

/** The entries of Headwater at the top of a data directory. */
const own =
  /^(catalog\.db(-wal|-shm)?|aside|blobs|downloads|keys|lease\.json(\.new)?|reserve|servers|staging|store\.json(\.new)?|tls|uploads)$/;
/** Usual entries of file systems and people. */
const harmless = /^(lost\+found|headwater\.ya?ml|mirrors)$/;

/**
 * Makes a catalog file where it is missing, and takes everybody else's rights on it, on its directory and on what
 * Headwater keeps beside it, whatever the umask is: an older version made them readable for everybody. What is
 * deeper is protected by that. A directory in which others keep files, too, stays as it is.
 */
export function makePrivate(file: string): void {
  const directory = dirname(file);
  try {
    closeSync(openSync(file, 'wx', 0o600));
  } catch (error) {
    // SQLite will report any other problem.
    if (codeOf(error) !== 'EEXIST') return;
  }
  const names = readdirSync(directory);
  for (const name of names) if (own.test(name)) restrict(join(directory, name));
  if (names.every((name) => own.test(name) || harmless.test(name))) restrict(directory);
}

/** Removes the rights of the group and of others on a file or a directory; the target of a link is left alone. */
function restrict(path: string): void {
  try {
    const found = lstatSync(path);
    if (found.isSymbolicLink() || (found.mode & 0o077) === 0) return;
    chmodSync(path, found.isDirectory() ? 0o700 : 0o600);
  } catch (error) {
    // Another process removed it, or it belongs to another user, who decides.
    if (!['ENOENT', 'EPERM', 'EACCES', 'EROFS'].includes(codeOf(error) ?? '')) throw error;
  }
}
