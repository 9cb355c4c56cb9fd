import Sqlite from 'better-sqlite3';

/** Connections that were opened, until the process ends: see {@link Connection}. */
const opened: Connection[] = [];

/**
 * A connection to an SQLite file that prepares each text once and keeps what it prepared until the process ends.
 *
 * Nothing of better-sqlite3 12 may be garbage: compiled for Node.js 24.19 or newer, it ends the process when one of its
 * objects is collected while no JavaScript runs (`RemoveEnvironmentCleanupHook`, `Assertion failed: (env) != nullptr`).
 * The texts are those of our own queries, so there are few hundred of them.
 */
export class Connection {
  readonly #database: Sqlite.Database;
  readonly #statements = new Map<string, Sqlite.Statement<unknown[]>>();

  /**
   * @param busyTimeout milliseconds that a statement waits for another process's transaction
   * @throws what better-sqlite3 throws when the file cannot be opened
   */
  constructor(file: string, busyTimeout: number) {
    this.#database = new Sqlite(file, { timeout: busyTimeout });
    opened.push(this);
    // A publish that was reported must survive a power failure (https://www.sqlite.org/pragma.html#pragma_synchronous).
    this.#database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON');
  }

  /**
   * A prepared text. SQLite ends a transaction by itself when the disk is full or fails
   * (https://www.sqlite.org/lang_transaction.html, section 3.1): `rollback` then has nothing to do, and its own failure
   * must not hide the reason.
   */
  prepare(sql: string): Sqlite.Statement<unknown[]> {
    return this.#prepare(sql === 'rollback' && !this.#database.inTransaction ? 'select 1' : sql);
  }

  #prepare(sql: string): Sqlite.Statement<unknown[]> {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare<unknown[]>(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  /**
   * A number that differs from the last one returned when another connection has changed the database since
   * (https://www.sqlite.org/pragma.html#pragma_data_version).
   */
  dataVersion(): number {
    return (this.prepare('PRAGMA data_version').get() as { data_version: number }).data_version;
  }

  close(): void {
    this.#database.close();
  }
}
