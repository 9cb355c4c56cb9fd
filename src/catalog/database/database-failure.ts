import { codeOf, HeadwaterError } from '../../errors.ts';

/**
 * What the database failed with, as users know it (https://www.sqlite.org/rescode.html).
 * @param seconds how long a statement waits for another process
 */
export function explainFailure(error: unknown, seconds: number): unknown {
  const code = codeOf(error) ?? '';
  if (!code.startsWith('SQLITE_')) return error;
  // The second one: there is no room for the index of the write-ahead log.
  if (code === 'SQLITE_FULL' || code === 'SQLITE_IOERR_SHMSIZE') {
    const message =
      'the catalog cannot grow: the disk of the data directory is full: free some space, then try again';
    return new HeadwaterError('no-space', message, { cause: error });
  }
  const message = messageFor(code, seconds);
  return message === undefined ? error : new HeadwaterError('unavailable', message, { cause: error });
}

function messageFor(code: string, seconds: number): string | undefined {
  if (code.startsWith('SQLITE_BUSY')) {
    return `another process has kept the catalog for more than ${seconds} s: try again`;
  }
  if (/^SQLITE_(CORRUPT|NOTADB|FORMAT)/.test(code)) return `${damaged} (${code}): ${repair}`;
  if (/^SQLITE_(IOERR|PROTOCOL)/.test(code)) {
    return `the files of the catalog cannot be read or written (${code}): either the disk failed, or catalog.db-wal or catalog.db-shm was removed while a server or command used the catalog. Look at the system log, and stop the server and start it again: it writes what it knows into catalog.db. If that does not help, restore a backup of catalog.db`;
  }
  if (/^SQLITE_(READONLY|CANTOPEN|PERM|AUTH)/.test(code)) {
    return `the files of the catalog cannot be opened for writing (${code}): give the user that runs Headwater access to the data directory and to catalog.db, catalog.db-wal and catalog.db-shm in it`;
  }
  return undefined;
}

const damaged = 'the catalog is damaged';
const repair =
  'stop the server, keep a copy of catalog.db and catalog.db-wal, restore a backup of catalog.db, start the server and run "headwater storage adopt". Without a backup, "sqlite3 catalog.db .recover" may save most of it. No blob is removed meanwhile';

/** What a check of the pages found, in words that tell what to do. */
export function describeDamage(found: string): string {
  return `${damaged} (${found}): ${repair}`;
}
