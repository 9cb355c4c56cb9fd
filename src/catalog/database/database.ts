import { dirname } from 'node:path';
import { DEFAULT_MIGRATION_TABLE, Kysely, Migrator, SqliteDialect, sql, type Transaction } from 'kysely';
import { HeadwaterError } from '../../errors.ts';
import { type Permit, unlimited } from '../../model/rights.ts';
import { type Actor, type AuditEvent, noteChanges } from './audit-record.ts';
import { DatabaseFailures, describeDamage } from './database-failure.ts';
import { ExplainingDialect } from './explaining-dialect.ts';
import { ChangeQueue } from './group-commit.ts';
import { makeDirectoryOf } from './make-durable.ts';
import { migrations } from './migrations.ts';
import { makePrivate } from './private-directory.ts';
import { Reserve } from './reserve.ts';
import { Connection } from './sqlite-connection.ts';
import type { Tables } from './tables.ts';

/** How long a statement waits for another process's transaction, in milliseconds. */
const busyTimeout = 10_000;

/** Writes changes into the audit log, in the transaction that makes them. */
export type Note = (...events: AuditEvent[]) => Promise<void>;

/** Part of a change. */
type Work<Result> = (
  transaction: Transaction<Tables>,
  revision: number,
  note: Note,
  permit: Permit,
) => Promise<Result>;

interface Connections {
  reads: Kysely<Tables>;
  writes: Kysely<Tables>;
  changes: ChangeQueue;
  reader: Connection;
  writer: Connection;
  reserve: Reserve;
  failures: DatabaseFailures;
}

/**
 * The database of a catalog: one connection for changes and one for reading, so that a change that waits (for the
 * blob store, for another process) holds up no reader.
 */
export class Database {
  readonly reads: Kysely<Tables>;
  /** Space for changes on a full disk. */
  readonly reserve: Reserve;
  readonly #writes: Kysely<Tables>;
  readonly #changes: ChangeQueue;
  readonly #reader: Connection;
  readonly #writer: Connection;
  readonly #failures: DatabaseFailures;
  readonly #actor: Actor;

  private constructor(connections: Connections, actor: Actor) {
    this.reads = connections.reads;
    this.reserve = connections.reserve;
    this.#writes = connections.writes;
    this.#changes = connections.changes;
    this.#reader = connections.reader;
    this.#writer = connections.writer;
    this.#failures = connections.failures;
    this.#actor = actor;
  }

  /**
   * Opens the database file, makes it where there is none, and brings its schema up to date.
   * @throws HeadwaterError `unavailable`, `no-space`
   */
  static async open(file: string): Promise<Database> {
    const reserve = new Reserve(dirname(file));
    // Without a server there may be no index of the log yet: reading needs some space, too.
    return await reserve.spend(() => Database.#open(file, reserve));
  }

  static async #open(file: string, reserve: Reserve): Promise<Database> {
    let database: Database | undefined;
    const failures = new DatabaseFailures(file, busyTimeout / 1000);
    try {
      makeDirectoryOf(file);
      makePrivate(file);
      const writer = new Connection(file, busyTimeout);
      const reader = openBeside(writer, file);
      const writes = new Kysely<Tables>({ dialect: new SqliteDialect({ database: writer }) });
      const connections = {
        writes,
        changes: new ChangeQueue(writes, () => writer.sync()),
        reads: new Kysely<Tables>({ dialect: new ExplainingDialect({ database: reader }, failures.explain) }),
        reader,
        writer,
        reserve,
        failures,
      };
      database = new Database(connections, { who: 'headwater', from: 'this machine' });
      await database.#migrate();
      return database;
    } catch (error) {
      await database?.close();
      throw failures.explainOpening(error);
    }
  }

  /** The same database, in whose audit log `actor` makes the changes. */
  by(actor: Actor): Database {
    return new Database(
      {
        reads: this.reads,
        writes: this.#writes,
        changes: this.#changes,
        reader: this.#reader,
        writer: this.#writer,
        reserve: this.reserve,
        failures: this.#failures,
      },
      actor,
    );
  }

  /**
   * Changes the catalog in one transaction, all or nothing; changes that come at the same moment share it. It takes the
   * next revision first, which makes writers, in this process and in others, wait for one another; nothing is visible to
   * others before the end. On a full disk it uses the reserve.
   * @param work is given `note`, which writes what it changes into the audit log, and `permit`, which knows what the
   * actor may do
   * @returns what `work` returns
   * @throws HeadwaterError `unavailable` when another process holds the catalog, `no-space`; what `work` throws
   */
  async change<Result>(work: Work<Result>): Promise<Result> {
    return await this.reserve.spend(() => this.#make(work));
  }

  /** Like {@link change}, for what records images or blobs: on a full disk it is refused and does not use the reserve. */
  async grow<Result>(work: Work<Result>): Promise<Result> {
    await this.reserve.assertWhole();
    return await this.#make(work);
  }

  /** What the actor may do. */
  get permit(): Permit {
    return this.#actor.permit ?? unlimited;
  }

  async #make<Result>(work: Work<Result>): Promise<Result> {
    const { permit } = this;
    const changing = this.#changes.make((transaction, revision) =>
      work(transaction, revision, (...events) => noteChanges(transaction, this.#actor, events), permit),
    );
    return await changing.catch((error: unknown) => {
      throw this.#failures.explain(error);
    });
  }

  /**
   * A number that differs from the last one returned when anybody else, in any process, has changed the database
   * since (https://www.sqlite.org/pragma.html#pragma_data_version). Costs microseconds.
   */
  dataVersion(): number {
    return this.#reader.dataVersion();
  }

  /**
   * Reads every page of the database from the file, one table after the other, so that others have their turn in between.
   * @returns what is damaged and what to do; undefined when nothing is
   */
  async damage(): Promise<string | undefined> {
    this.#failures.damage = await this.#check();
    return this.#failures.damage;
  }

  /** What the last check found, or a statement since then ran into. */
  get knownDamage(): string | undefined {
    return this.#failures.damage;
  }

  async #check(): Promise<string | undefined> {
    try {
      // Pages that this process has in memory are no sign of what the file has.
      this.#reader.dropCache();
      for (const table of this.#reader.tables()) {
        await new Promise((resolve) => setImmediate(resolve));
        const found = this.#reader.quickCheck(table);
        if (found !== undefined) return describeDamage(found);
      }
      return undefined;
    } catch (error) {
      const known = this.#failures.explain(error);
      if (known instanceof HeadwaterError) return known.message;
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#changes.drained();
    await this.reads.destroy();
    await this.#writes.destroy();
    // Kysely closes only what it has used.
    this.#reader.close();
    await this.#writer.closed;
  }

  /** Brings the schema up to date. Of several processes that find it old, one does it and the others wait. */
  async #migrate(): Promise<void> {
    await this.#writes.connection().execute(async (db) => {
      // Whoever has nothing to do need not wait for writers, nor for the migrator, which looks at the whole schema.
      if (await isUpToDate(db)) return;
      const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve(migrations) } });
      await sql`begin immediate`.execute(db);
      try {
        const { error } = await migrator.migrateToLatest();
        if (error !== undefined) throw error;
        await sql`commit`.execute(db);
      } catch (error) {
        await sql`rollback`.execute(db);
        throw error;
      }
    });
  }
}

/** Opens a second connection. @throws what it failed with, when the first one is closed */
function openBeside(first: Connection, file: string): Connection {
  try {
    return new Connection(file, busyTimeout);
  } catch (error) {
    first.close();
    throw error;
  }
}

/** Whether all migrations were made, by the table in which the migrator notes them. */
async function isUpToDate(db: Kysely<Tables>): Promise<boolean> {
  const table = sql.table(DEFAULT_MIGRATION_TABLE);
  const known = await sql`select name from sqlite_master where name = ${DEFAULT_MIGRATION_TABLE}`.execute(db);
  if (known.rows.length === 0) return false;
  const { rows } = await sql<{ name: string }>`select name from ${table}`.execute(db);
  const made = new Set(rows.map(({ name }) => name));
  return Object.keys(migrations).every((name) => made.has(name));
}
