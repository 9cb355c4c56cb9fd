import { randomUUID } from 'node:crypto';
import { closeSync, openSync, unlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { codeOf, HeadwaterError, messageOf } from '../../errors.ts';

/** Explains failures of a database's statements to users (https://www.sqlite.org/rescode.html). */
export class DatabaseFailures {
  /** The damage and the remedy, once a check or a statement has found it. */
  damage: string | undefined;
  readonly #file: string;
  readonly #seconds: number;

  /**
   * @param file the database
   * @param seconds how long a statement waits for another process
   */
  constructor(file: string, seconds: number) {
    this.#file = file;
    this.#seconds = seconds;
  }

  /** @returns a HeadwaterError with the remedy, or the error itself when it is not a failure of the database */
  readonly explain = (error: unknown): unknown => {
    const code = codeOf(error) ?? '';
    if (!code.startsWith('SQLITE_')) return error;
    // The second one: there is no room for the index of the write-ahead log.
    if (code === 'SQLITE_FULL' || code === 'SQLITE_IOERR_SHMSIZE') {
      const message =
        'the catalog cannot grow: the disk of the data directory is full: free some space, then try again';
      return new HeadwaterError('no-space', message, { cause: error });
    }
    const message = messageFor(code, this.#file, this.#seconds);
    if (message === undefined) return error;
    if (damageCodes.test(code)) this.damage ??= message;
    return new HeadwaterError('unavailable', message, { cause: error });
  };

  /** As {@link explain}, for a failure to open the database. */
  explainOpening(error: unknown): HeadwaterError {
    const known = this.explain(error);
    if (known instanceof HeadwaterError) return known;
    const code = codeOf(error) ?? '';
    const advice =
      code === 'EROFS'
        ? ': its file system is mounted read-only: mount it for writing'
        : /^(EACCES|EPERM)$/.test(code)
          ? ': give the user that runs Headwater write access to its directory'
          : '';
    const message = `cannot open the catalog ${this.#file}: ${messageOf(error)}${advice}`;
    return new HeadwaterError('unavailable', message, { cause: error });
  }
}

const damageCodes = /^SQLITE_(CORRUPT|NOTADB|FORMAT)/;

function messageFor(code: string, file: string, seconds: number): string | undefined {
  if (code.startsWith('SQLITE_BUSY')) {
    return `another process has locked the catalog for more than ${seconds} s: try again`;
  }
  if (damageCodes.test(code)) return `${damaged} (${code}): ${repair}`;
  if (/^SQLITE_(IOERR|PROTOCOL)/.test(code)) {
    if (writeObstacle(file) === 'EROFS') return readOnly(file, code);
    return `the files of the catalog cannot be read or written (${code}): either the disk failed, or catalog.db-wal or catalog.db-shm was removed while a server or command used the catalog. Check the system log, then stop the server and start it again: when it stops, it writes its changes into catalog.db. If that does not help, restore a backup of catalog.db`;
  }
  if (code === 'SQLITE_READONLY_DBMOVED') {
    return `${file} was moved or removed while it was open (${code}): put it back, then restart the server`;
  }
  if (/^SQLITE_(READONLY|CANTOPEN|PERM|AUTH)/.test(code)) {
    if (writeObstacle(file) === 'EROFS') return readOnly(file, code);
    return `the catalog cannot be opened for writing (${code}): give the user that runs Headwater write access to ${dirname(file)} and to catalog.db, catalog.db-wal and catalog.db-shm in it`;
  }
  return undefined;
}

/**
 * Why no file can be made beside the database, by the system's name of the error; undefined when one can. SQLite does not
 * tell, and some file systems that have failed still say that they can be written.
 */
function writeObstacle(file: string): string | undefined {
  const probe = `${file}-${randomUUID()}`;
  try {
    closeSync(openSync(probe, 'wx', 0o600));
    unlinkSync(probe);
    return undefined;
  } catch (error) {
    return codeOf(error);
  }
}

function readOnly(file: string, code: string): string {
  return `the data directory ${dirname(file)} is on a file system that is mounted read-only (${code}): mount it for writing, then try again. The system remounts a failing file system read-only: check the system log`;
}

const damaged = 'the catalog is damaged';
const repair =
  'stop the server, keep a copy of catalog.db and catalog.db-wal, restore a backup of catalog.db, start the server and run "headwater storage adopt". Without a backup, "sqlite3 catalog.db .recover" may save most of it. No blob is removed meanwhile';

/** Explains the result of a check of the pages, with the remedy. */
export function describeDamage(found: string): string {
  return `${damaged} (${found}): ${repair}`;
}

/**
 * Whether the database itself failed: a full disk or a locked file fails all changes of a transaction, and may have
 * ended it (https://www.sqlite.org/lang_transaction.html, section 3.1).
 */
export function isDatabaseFailure(failure: unknown): boolean {
  const code = codeOf(failure) ?? '';
  return code.startsWith('SQLITE_') && !code.startsWith('SQLITE_CONSTRAINT');
}
