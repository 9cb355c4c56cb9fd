import { codeOf, type ErrorKind, HeadwaterError, messageOf } from '../errors.ts';

/** What was tried when a system call failed. */
export interface FileOperation {
  path: string;
  doing: keyof typeof participles;
  /**
   * Whether a person named the file and can name another: a missing file is then `not-found`, and an unreadable one `invalid`.
   * Left out, it is one of Headwater's own files, and every failure is the machine's: `unavailable`.
   */
  isInput?: boolean;
}

const participles = {
  read: 'read',
  list: 'listed',
  write: 'written',
  create: 'created',
  move: 'moved',
  remove: 'removed',
} as const;

/** Failures of the machine, also for files that a person named. */
const machineFailures = new Set(['EIO', 'EMFILE', 'ENFILE', 'ENOMEM', 'ESTALE', 'ETIMEDOUT']);

/**
 * What a failed system call on a file means, with what to do about it.
 * @returns a HeadwaterError that names the path; the error itself when it is one already, or no system error but a defect
 */
export function fileError(error: unknown, operation: FileOperation): Error {
  const code = codeOf(error);
  if (code === undefined) return error instanceof Error ? error : new Error(messageOf(error));
  const { path, doing, isInput = false } = operation;
  const options = { cause: error };
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    const problem = code === 'EDQUOT' ? 'the quota is used up' : 'the disk is full';
    return new HeadwaterError('no-space', `${path}: ${problem}: free some space, then try again`, options);
  }
  if (code === 'ENOENT' && isInput) {
    const problem = doing === 'list' ? 'no such file or directory' : 'no such file';
    return new HeadwaterError('not-found', `${path}: ${problem}`, options);
  }
  const kind: ErrorKind = isInput && !machineFailures.has(code) ? 'invalid' : 'unavailable';
  const reason = reasonOf(code) ?? messageOf(error);
  return new HeadwaterError(kind, `${path}: cannot be ${participles[doing]}: ${reason}`, options);
}

function reasonOf(code: string): string | undefined {
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return `permission denied (${code}): give the user that runs Headwater access to it`;
    case 'EROFS':
      return 'the file system is mounted read-only (EROFS): mount it for writing, or configure another directory';
    case 'EXDEV':
      return 'it is on another file system or mount than the rest of the data directory (EXDEV): mount the data directory as a whole';
    case 'EIO':
      return 'the disk failed (EIO): check the system log and the disk';
    case 'ENOTDIR':
      return 'a part of the path is not a directory (ENOTDIR)';
    case 'EISDIR':
      return 'it is a directory (EISDIR)';
    case 'ENOENT':
      return 'it no longer exists (ENOENT): is the file system mounted?';
    case 'ELOOP':
      return 'its symbolic links form a circle (ELOOP)';
    case 'ENAMETOOLONG':
      return 'the name is too long (ENAMETOOLONG)';
    case 'EMFILE':
    case 'ENFILE':
      return `too many open files (${code}): raise the limit (ulimit -n, LimitNOFILE)`;
    default:
      return undefined;
  }
}
