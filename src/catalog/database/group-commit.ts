import { type Kysely, sql, type Transaction } from 'kysely';
import type { Outcome } from '../../async/outcome.ts';
import { codeOf } from '../../errors.ts';
import type { Tables } from './tables.ts';

/** How many changes go into one transaction: so many wait for one write to the disk, and for one another. */
const most = 64;

/** Changes part of the catalog. @param revision the change's own */
export type Change<Result> = (transaction: Transaction<Tables>, revision: number) => Promise<Result>;

interface Waiting {
  change: Change<unknown>;
  resolve: (result: unknown) => void;
  reject: (error: unknown) => void;
}

/**
 * Makes changes one after the other, in the order in which they come. Those that wait at the same moment share a
 * transaction: a commit waits for the disk, which takes longer than most changes do. Each is all or nothing by
 * itself, and is done when it would survive a power failure.
 */
export class ChangeQueue {
  readonly #database: Kysely<Tables>;
  readonly #sync: () => Promise<void>;
  #waiting: Waiting[] = [];
  #busy = false;
  #making = Promise.resolve();
  /** Committed, but the disk may not have them yet. */
  #committed: { group: Waiting[]; outcomes: Outcome[] }[] = [];
  #syncing = false;
  #durable = Promise.resolve();

  /** @param sync resolves when the disk has what was committed before */
  constructor(database: Kysely<Tables>, sync: () => Promise<void>) {
    this.#database = database;
    this.#sync = sync;
  }

  /** Makes a change. @throws what it throws; what the database fails with */
  async make<Result>(change: Change<Result>): Promise<Result> {
    const made = new Promise<unknown>((resolve, reject) => {
      this.#waiting.push({ change, resolve, reject });
    });
    if (!this.#busy) this.#making = this.#makeAll();
    return (await made) as Result;
  }

  /** Resolves when nothing is being made, and nothing waits for the disk. */
  async drained(): Promise<void> {
    await this.#making;
    await this.#durable;
  }

  async #makeAll(): Promise<void> {
    this.#busy = true;
    while (this.#waiting.length > 0) {
      // Whoever is about to come, comes along.
      await new Promise((resolve) => setImmediate(resolve));
      const group = this.#waiting.splice(0, most);
      try {
        const outcomes = await this.#database
          .transaction()
          .execute((transaction) => makeGroup(transaction, group));
        this.#settleWhenDurable(group, outcomes);
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
    this.#busy = false;
  }

  /** The next changes go on meanwhile. */
  #settleWhenDurable(group: Waiting[], outcomes: Outcome[]): void {
    this.#committed.push({ group, outcomes });
    if (!this.#syncing) this.#durable = this.#syncAll();
  }

  async #syncAll(): Promise<void> {
    this.#syncing = true;
    while (this.#committed.length > 0) {
      const committed = this.#committed.splice(0);
      try {
        await this.#sync();
        for (const { group, outcomes } of committed) {
          for (const [index, outcome] of outcomes.entries()) settle(group[index], outcome);
        }
      } catch (error) {
        for (const { reject } of committed.flatMap(({ group }) => group)) reject(error);
      }
    }
    this.#syncing = false;
  }
}

async function makeGroup(transaction: Transaction<Tables>, group: Waiting[]): Promise<Outcome[]> {
  const [only] = group;
  // A change that is alone takes the transaction with it when it fails.
  if (group.length === 1 && only !== undefined) return [{ result: await makeOne(transaction, only) }];
  const outcomes: Outcome[] = [];
  for (const waiting of group) outcomes.push(await apart(transaction, () => makeOne(transaction, waiting)));
  return outcomes;
}

/**
 * Part of a transaction: does something that is all or nothing by itself.
 * @returns what became of it
 * @throws what the database failed with
 */
export async function apart<Result>(
  transaction: Transaction<Tables>,
  work: () => Promise<Result>,
): Promise<Outcome<Result>> {
  await sql`savepoint one_change`.execute(transaction);
  let outcome: Outcome<Result>;
  try {
    outcome = { result: await work() };
  } catch (error) {
    outcome = { error };
    await undo(transaction, error);
  }
  await sql`release savepoint one_change`.execute(transaction);
  return outcome;
}

/** Takes the next revision, which makes writers in other processes wait, and makes the change. */
async function makeOne(transaction: Transaction<Tables>, { change }: Waiting): Promise<unknown> {
  const { value } = await transaction
    .updateTable('revision')
    .set((expression) => ({ value: expression('value', '+', 1) }))
    .where('id', '=', 1)
    .returning('value')
    .executeTakeFirstOrThrow();
  return await change(transaction, value);
}

/** Takes back what a change did. @throws the failure when it is the database's */
async function undo(transaction: Transaction<Tables>, failure: unknown): Promise<void> {
  if (isDatabaseFailure(failure)) throw failure;
  await sql`rollback to savepoint one_change`.execute(transaction);
}

/**
 * Whether the database itself failed: a full disk or a locked file is the failure of everybody in a transaction, and may
 * have ended it (https://www.sqlite.org/lang_transaction.html, section 3.1).
 */
export function isDatabaseFailure(failure: unknown): boolean {
  const code = codeOf(failure) ?? '';
  return code.startsWith('SQLITE_') && !code.startsWith('SQLITE_CONSTRAINT');
}

function settle(waiting: Waiting | undefined, outcome: Outcome | undefined): void {
  if (outcome === undefined || waiting === undefined) throw new Error('a change has no outcome');
  if ('error' in outcome) waiting.reject(outcome.error);
  else waiting.resolve(outcome.result);
}
