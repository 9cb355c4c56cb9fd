import { constants } from 'node:fs';
import { chmod, copyFile, link, open, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from '../../errors.ts';
import { fileError } from '../../files/file-error.ts';
import { processName } from '../../files/process-name.ts';

/** The system errors when a file's bytes cannot or may not be shared between two names. */
const cannotShareCodes = new Set(
  'EXDEV EPERM EACCES EMLINK ENOTSUP EOPNOTSUPP ENOSYS ENOTTY EINVAL EISDIR EBADF'.split(' '),
);

/**
 * Gives a file a second name in the staging directory, without copying its bytes: as a clone that shares them until
 * either is changed (reflink) if the file system supports it, otherwise as a hard link.
 * @param place called with the staged name and the file's bytes when the disk has all of them
 * @returns false if bytes cannot be shared, as between two file systems
 */
export async function adoptFile(
  path: string,
  staging: string,
  place: (staged: string, size: number) => Promise<void>,
): Promise<boolean> {
  const source = await realpath(path).catch((error: unknown) => {
    throw fileError(error, { path, doing: 'read', isInput: true });
  });
  const staged = join(staging, await processName());
  try {
    const cloned = await works(
      copyFile(source, staged, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE),
    );
    // A link is also the tree's file, which keeps its mode.
    if (cloned) await chmod(staged, 0o600);
    const shared = cloned || (await works(link(source, staged)));
    if (shared) await place(staged, await sync(staged));
    return shared;
  } catch (error) {
    throw fileError(error, { path, doing: 'read' });
  } finally {
    await rm(staged, { force: true });
  }
}

async function works(sharing: Promise<void>): Promise<boolean> {
  try {
    await sharing;
    return true;
  } catch (error) {
    if (cannotShareCodes.has(codeOf(error) ?? '')) return false;
    throw error;
  }
}

async function sync(path: string): Promise<number> {
  const handle = await open(path);
  try {
    await handle.sync();
    return (await handle.stat()).size;
  } finally {
    await handle.close();
  }
}
