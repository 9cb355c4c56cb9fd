import { realpathSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import Sqlite from 'better-sqlite3';

/** Connections that were opened, until the process ends: see {@link Connection}. */
const opened: Connection[] = [];

/**
 * The number of pages (4 KiB) in the log after which they are moved to the database, while all changes wait. Digests
 * are random, so a batch of a mirror run changes most pages: the less often they are moved, the fewer times each.
 */
const checkpointPages = 8000;

/**
 * A connection to an SQLite file that prepares each text once and keeps what it prepared until the process ends.
 *
 * Nothing of better-sqlite3 12 may be garbage: compiled for Node.js 24.19 or newer, it ends the process when one of its
 * objects is collected while no JavaScript runs (`RemoveEnvironmentCleanupHook`, `Assertion failed: (env) != nullptr`).
 * The texts are those of our own queries, so there are few hundred of them.
 */
export class Connection {
  readonly #database: Sqlite.Database;
  /** The write-ahead log. */
  readonly #log: string | undefined;
  #logHandle: Promise<FileHandle> | undefined;
  /** After {@link close}: resolves when the system has every file back. */
  closed: Promise<void> | undefined;
  /** The disk may lack parts of the log. */
  #isDamaged = false;
  readonly #statements = new Map<string, Sqlite.Statement<unknown[]>>();

  /**
   * @param busyTimeout milliseconds that a statement waits for another process's transaction
   * @throws what better-sqlite3 throws when the file cannot be opened
   */
  constructor(file: string, busyTimeout: number) {
    this.#database = new Sqlite(file, { timeout: busyTimeout });
    opened.push(this);
    try {
      this.#log = this.#prepareFile(file);
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  /** @returns the path of the write-ahead log, where there is one */
  #prepareFile(file: string): string | undefined {
    const { journal_mode: mode } = this.#row<{ journal_mode: string }>('PRAGMA journal_mode = WAL');
    // A publish that was reported must survive a power failure (https://www.sqlite.org/pragma.html#pragma_synchronous):
    // in WAL mode, a commit need not wait for the disk if the caller waits after it (`sync`).
    this.#database.exec(
      `PRAGMA synchronous = ${mode === 'wal' ? 'NORMAL' : 'FULL'}; PRAGMA foreign_keys = ON;
       PRAGMA wal_autocheckpoint = ${checkpointPages}`,
    );
    return mode === 'wal' ? `${realpathSync(file)}-wal` : undefined;
  }

  /**
   * Resolves when the disk has everything that was committed. The disk already has what a checkpoint moved out of the
   * log meanwhile: SQLite syncs the database before it writes over the log.
   * @throws the error of the disk
   */
  async sync(): Promise<void> {
    if (this.#log === undefined) return;
    if (this.#isDamaged) {
      this.#emptyLog();
      return;
    }
    try {
      // The log stays the same file as long as a connection is open.
      this.#logHandle ??= open(this.#log);
      await (await this.#logHandle).datasync();
    } catch (error) {
      this.#logHandle = undefined;
      this.#isDamaged = true;
      throw error;
    }
  }

  /**
   * Once a sync has failed, parts of the log may be missing on the disk, and a later sync would not tell: what comes
   * behind them is safe only in the database itself.
   */
  #emptyLog(): void {
    const { busy } = this.#row<{ busy: number }>('PRAGMA wal_checkpoint(TRUNCATE)');
    if (busy !== 0) throw new Error('the disk failed to store a change of the catalog: try again');
    this.#isDamaged = false;
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

  /** The rows of a text. @typeParam Row what the text selects, which SQLite alone knows */
  #rows<Row>(sql: string): Row[] {
    return this.#prepare(sql).all() as Row[];
  }

  /** The only row of a text. */
  #row<Row>(sql: string): Row {
    const [row] = this.#rows<Row>(sql);
    if (row === undefined) throw new Error(`no row: ${sql}`);
    return row;
  }

  /**
   * A number that differs from the last one returned when another connection has changed the database since
   * (https://www.sqlite.org/pragma.html#pragma_data_version).
   */
  dataVersion(): number {
    return this.#row<{ data_version: number }>('PRAGMA data_version').data_version;
  }

  /** Drops the pages in memory, so that they are read from the file again. */
  dropCache(): void {
    this.prepare('PRAGMA shrink_memory').run();
  }

  /** The catalog's revision. */
  revision(): number {
    return this.#row<{ value: number }>('select value from revision where id = 1').value;
  }

  /** The names of all tables. */
  tables(): string[] {
    const rows = this.#rows<{ name: string }>("select name from sqlite_master where type = 'table'");
    return rows.map(({ name }) => name);
  }

  /**
   * Checks the pages of a table and its indexes (https://www.sqlite.org/pragma.html#pragma_quick_check).
   * @returns what is wrong; undefined when nothing is
   */
  quickCheck(table: string): string | undefined {
    const rows = this.#rows<{ quick_check: string }>(`PRAGMA quick_check("${table}")`);
    const problem = rows.find((row) => row.quick_check !== 'ok');
    return problem?.quick_check.replaceAll('\n', ', ');
  }

  close(): void {
    this.#database.close();
    // The callers that waited for the log got the error of opening or syncing it.
    this.closed = this.#logHandle?.then((handle) => handle.close()).catch(() => undefined);
    this.#logHandle = undefined;
  }
}
