import { dirname } from 'node:path';
import { Kysely, SqliteDialect } from 'kysely';
import { BackgroundTasks } from '../../async/background-tasks.ts';
import type { Semaphore } from '../../async/semaphore.ts';
import { HeadwaterError } from '../../errors.ts';
import { noRights, type Permit } from '../../model/rights.ts';
import type { Actor } from './audit-record.ts';
import { Change } from './change.ts';
import { DatabaseFailures, describeDamage } from './database-failure.ts';
import { ExplainingDialect } from './explaining-dialect.ts';
import { ChangeQueue } from './group-commit.ts';
import { makeDirectoryOf } from './make-durable.ts';
import { migrate } from './migrations/migrate.ts';
import { makePrivate } from './private-directory.ts';
import { Reserve } from './reserve.ts';
import { Connection } from './sqlite-connection.ts';
import type { Tables } from './tables.ts';
import { inTurn, writingTurns } from './writing-turns.ts';

/** How long a statement waits for another process's transaction, in milliseconds. */
const busyTimeout = 10_000;

/** Called when a change with this revision was committed, and would survive a power failure. Must not throw. */
export type OnCommitted = (revision: number) => void;

interface Connections {
  reads: Kysely<Tables>;
  writes: Kysely<Tables>;
  /** Those of the process that write the file. */
  turns: Semaphore;
  changes: ChangeQueue;
  reader: Connection;
  writer: Connection;
  reserve: Reserve;
  failures: DatabaseFailures;
  /** Called after each commit with a revision. */
  onCommitted: Set<OnCommitted>;
  /** Notes that are being written. */
  notes: BackgroundTasks;
}

/**
 * The database of a catalog: one connection for changes and one for reading, so that a change that waits (for the
 * blob store, for another process) holds up no reader.
 */
export class Database {
  readonly #connections: Connections;
  readonly #actor: Actor;

  private constructor(connections: Connections, actor: Actor) {
    this.#connections = connections;
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
      const turns = writingTurns(file);
      const connections = {
        writes,
        turns,
        changes: new ChangeQueue(writes, turns, () => writer.sync()),
        reads: new Kysely<Tables>({ dialect: new ExplainingDialect({ database: reader }, failures.explain) }),
        reader,
        writer,
        reserve,
        failures,
        onCommitted: new Set<OnCommitted>(),
        // The writers of the notes get their failures.
        notes: new BackgroundTasks(() => undefined),
      };
      database = new Database(connections, { who: 'headwater', from: 'this machine', permit: noRights });
      await migrate(writes);
      return database;
    } catch (error) {
      await database?.close();
      throw failures.explainOpening(error);
    }
  }

  /** The same database, changed by `actor`, with the actor's rights and in the actor's name. */
  by(actor: Actor): Database {
    return new Database(this.#connections, actor);
  }

  /** The connection for reading. */
  get reads(): Kysely<Tables> {
    return this.#connections.reads;
  }

  /** Space for changes on a full disk. */
  get reserve(): Reserve {
    return this.#connections.reserve;
  }

  /** What the actor may do. */
  get permit(): Permit {
    return this.#actor.permit;
  }

  /**
   * Changes the catalog in one transaction, all or nothing; changes that come at the same moment share it. Writers, in
   * this process and in others, wait for one another from its first statement on; nothing is visible to others before
   * the end. On a full disk it uses the reserve.
   * @returns the result of `work`
   * @throws HeadwaterError `unavailable` when another process holds the catalog, `no-space`; errors of `work`
   */
  async change<Result>(work: (change: Change) => Promise<Result>): Promise<Result> {
    return await this.reserve.spend(() => this.#make(work));
  }

  /**
   * Like {@link change}, for changes that record images or blobs: on a full disk they are refused and do not use the
   * reserve.
   */
  async grow<Result>(work: (change: Change) => Promise<Result>): Promise<Result> {
    await this.reserve.assertWhole();
    return await this.#make(work);
  }

  /**
   * Records a fact that no document shows and that needs no order among changes, such as the last use of a token: it
   * takes no revision, waits for no disk, and may be lost in a power failure.
   * @param work one statement, or several of which each stands for itself
   * @throws as {@link change} does
   */
  async note<Result>(work: (db: Kysely<Tables>) => Promise<Result>): Promise<Result> {
    const { writes, turns, notes } = this.#connections;
    const noting = this.reserve.spend(() => this.#explained(inTurn(turns, () => work(writes))));
    notes.add(noting.then(() => undefined));
    return await noting;
  }

  async #make<Result>(work: (change: Change) => Promise<Result>): Promise<Result> {
    const { changes, onCommitted } = this.#connections;
    const committed = changes.make(async (transaction) => {
      const change = new Change(transaction, this.#actor);
      const result = await work(change);
      return { result, revision: await change.taken };
    });
    const { result, revision } = await this.#explained(committed);
    if (revision !== undefined) for (const listener of onCommitted) listener(revision);
    return result;
  }

  /** Calls `listener` after each change of this process that takes a revision. @returns stops calling it */
  onCommitted(listener: OnCommitted): () => void {
    this.#connections.onCommitted.add(listener);
    return () => this.#connections.onCommitted.delete(listener);
  }

  async #explained<Result>(work: Promise<Result>): Promise<Result> {
    return await work.catch((error: unknown) => {
      throw this.#connections.failures.explain(error);
    });
  }

  /**
   * A number that differs from the last one returned if another connection, in any process, has changed the database
   * since (https://www.sqlite.org/pragma.html#pragma_data_version). Costs microseconds.
   */
  dataVersion(): number {
    return this.#connections.reader.dataVersion();
  }

  /** The revision of the last change that was committed. Costs microseconds. */
  revision(): number {
    return this.#connections.reader.revision();
  }

  /**
   * Reads every page of the database from the file, one table after the other, so that other work can run in between.
   * @returns what is damaged and what to do; undefined when nothing is
   */
  async damage(): Promise<string | undefined> {
    this.#connections.failures.damage = await this.#check();
    return this.#connections.failures.damage;
  }

  /** The damage that the last check, or a statement since then, has found. */
  get knownDamage(): string | undefined {
    return this.#connections.failures.damage;
  }

  async #check(): Promise<string | undefined> {
    try {
      // Pages in the memory of this process do not show the content of the file.
      this.#connections.reader.dropCache();
      for (const table of this.#connections.reader.tables()) {
        await new Promise((resolve) => setImmediate(resolve));
        const found = this.#connections.reader.quickCheck(table);
        if (found !== undefined) return describeDamage(found);
      }
      return undefined;
    } catch (error) {
      const known = this.#connections.failures.explain(error);
      if (known instanceof HeadwaterError) return known.message;
      throw error;
    }
  }

  async close(): Promise<void> {
    const { changes, notes, reads, writes, reader, writer } = this.#connections;
    await changes.drained();
    await notes.done();
    await reads.destroy();
    await writes.destroy();
    // Kysely closes only what it has used.
    reader.close();
    await writer.closed;
  }
}

/** Opens a second connection. @throws its error, after the first one was closed */
function openBeside(first: Connection, file: string): Connection {
  try {
    return new Connection(file, busyTimeout);
  } catch (error) {
    first.close();
    throw error;
  }
}
