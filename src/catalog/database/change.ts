import { sql, type Transaction } from 'kysely';
import type { Outcome } from '../../async/outcome.ts';
import type { Permit } from '../../model/rights.ts';
import { type Actor, type AuditEvent, recordEvents } from './audit-record.ts';
import { isDatabaseFailure } from './database-failure.ts';
import type { Tables } from './tables.ts';

/** An atomic change of the catalog, in progress. */
export class Change {
  /** The transaction of the change. */
  readonly db: Transaction<Tables>;
  /** Who makes the change. */
  readonly actor: Actor;
  #revision: Promise<number> | undefined;

  constructor(db: Transaction<Tables>, actor: Actor) {
    this.db = db;
    this.actor = actor;
  }

  /** What the actor may do. */
  get permit(): Permit {
    return this.actor.permit;
  }

  /**
   * The revision of this change. The first call takes the next one: ask for it only when documents show what changes,
   * because every server then looks for the products that have it.
   */
  async revision(): Promise<number> {
    this.#revision ??= nextRevision(this.db);
    return await this.#revision;
  }

  /** The revision that {@link revision} took; undefined when nothing asked for one. */
  get taken(): Promise<number> | undefined {
    return this.#revision;
  }

  /** Writes events into the audit log, as part of the change. */
  async audit(...events: AuditEvent[]): Promise<void> {
    await recordEvents(this.db, this.actor, events);
  }

  /**
   * Makes a part of the change that is atomic by itself.
   * @returns the result of `work`, or the error with which it failed
   * @throws a failure of the database, which fails the whole change
   */
  async attempt<Result>(work: () => Promise<Result>): Promise<Outcome<Result>> {
    const before = this.#revision;
    const outcome = await inSavepoint(this.db, work);
    // The rollback gave back a revision that `work` took.
    if ('error' in outcome) this.#revision = before;
    return outcome;
  }
}

/** Makes writers, in this process and in others, wait until the transaction ends. */
export async function lockCatalog(db: Transaction<Tables>): Promise<void> {
  await db
    .updateTable('revision')
    .set((row) => ({ value: row.ref('value') }))
    .where('id', '=', 1)
    .execute();
}

async function nextRevision(db: Transaction<Tables>): Promise<number> {
  const { value } = await db
    .updateTable('revision')
    .set((row) => ({ value: row('value', '+', 1) }))
    .where('id', '=', 1)
    .returning('value')
    .executeTakeFirstOrThrow();
  return value;
}

/**
 * Does something within a transaction that is rolled back by itself when it fails.
 * @throws the failure of the database, which may have ended the transaction
 */
export async function inSavepoint<Result>(
  db: Transaction<Tables>,
  work: () => Promise<Result>,
): Promise<Outcome<Result>> {
  await sql`savepoint one_change`.execute(db);
  let outcome: Outcome<Result>;
  try {
    outcome = { result: await work() };
  } catch (error) {
    if (isDatabaseFailure(error)) throw error;
    outcome = { error };
    await sql`rollback to savepoint one_change`.execute(db);
  }
  await sql`release savepoint one_change`.execute(db);
  return outcome;
}
