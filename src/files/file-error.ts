import { codeOf, HeadwaterError, messageOf } from '../errors.ts';

/**
 * What a failed operation on a file means to whoever uses the store.
 * @param doing what was tried, as in "cannot be written"
 */
export function diskError(error: unknown, path: string, doing: string): HeadwaterError {
  const code = codeOf(error);
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new HeadwaterError(
      'no-space',
      `${path}: ${code === 'EDQUOT' ? 'the quota is used up' : 'the disk is full'}: free some space, then try again`,
      { cause: error },
    );
  }
  return new HeadwaterError(
    'unavailable',
    `${path}: cannot be ${doing}: ${advice(code) ?? messageOf(error)}`,
    {
      cause: error,
    },
  );
}

function advice(code: string | undefined): string | undefined {
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return `permission denied (${code}): give the user that runs Headwater access to it`;
    case 'EROFS':
      return 'the file system is mounted read-only (EROFS): mount it for writing';
    case 'EXDEV':
      return 'it is on another file system or mount than the rest of the data directory (EXDEV): mount the data directory as a whole';
    case 'EIO':
      return 'the disk failed (EIO): look into the system log and check the disk';
    case 'ENOTDIR':
      return 'a part of the path is not a directory (ENOTDIR)';
    case 'ENOENT':
      return 'it is gone (ENOENT): is the file system mounted?';
    case 'EMFILE':
    case 'ENFILE':
      return `too many open files (${code}): raise the limit (ulimit -n, LimitNOFILE)`;
    default:
      return undefined;
  }
}
