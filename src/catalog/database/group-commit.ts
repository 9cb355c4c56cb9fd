import { type Kysely, sql, type Transaction } from 'kysely';
import { BackgroundTasks } from '../../async/background-tasks.ts';
import { Batcher } from '../../async/batcher.ts';
import { type Outcome, resultOf } from '../../async/outcome.ts';
import { codeOf } from '../../errors.ts';
import type { Tables } from './tables.ts';

/** The most changes in one transaction. They share one sync, and wait for one another. */
const maxChangesPerCommit = 64;

/** Changes part of the catalog. @param revision the change's own */
export type Change<Result> = (transaction: Transaction<Tables>, revision: number) => Promise<Result>;

/**
 * Makes changes one after the other, in the order in which they come. Those that wait at the same moment share a
 * transaction: a commit waits for the disk, which takes longer than most changes do. Each is all or nothing by
 * itself, and is done when it would survive a power failure.
 */
export class ChangeQueue {
  readonly #commits: Batcher<Change<unknown>, Outcome>;
  /** Waits of committed changes for the disk; the next changes are made meanwhile. */
  readonly #syncs: Batcher<void, void>;
  /** Failures are for those who ask for the changes. */
  readonly #running = new BackgroundTasks(() => undefined);

  /** @param sync resolves when the disk has what was committed before */
  constructor(database: Kysely<Tables>, sync: () => Promise<void>) {
    this.#commits = new Batcher(
      async (take) => {
        const changes = take();
        const outcomes = await database
          .transaction()
          .execute((transaction) => makeGroup(transaction, changes));
        return outcomes.map((result) => ({ result }));
      },
      { maxRequests: maxChangesPerCommit, oneAtATime: true },
    );
    this.#syncs = new Batcher<void, void>(
      async (take) => {
        const committed = take();
        await sync();
        return committed.map(() => ({ result: undefined }));
      },
      { oneAtATime: true },
    );
  }

  /** Makes a change. @throws what it throws; what the database fails with */
  async make<Result>(change: Change<Result>): Promise<Result> {
    const made = this.#make(change);
    this.#running.add(made.then(() => undefined));
    return (await made) as Result;
  }

  /** Resolves when nothing is being made, and nothing waits for the disk. */
  async drained(): Promise<void> {
    await this.#running.done();
  }

  async #make(change: Change<unknown>): Promise<unknown> {
    const outcome = await this.#commits.do(change);
    // Also a refusal rests on what the others in its transaction committed.
    await this.#syncs.do();
    return resultOf(outcome);
  }
}

async function makeGroup(transaction: Transaction<Tables>, changes: Change<unknown>[]): Promise<Outcome[]> {
  const [only] = changes;
  // A change that is alone takes the transaction with it when it fails.
  if (changes.length === 1 && only !== undefined) return [{ result: await makeOne(transaction, only) }];
  const outcomes: Outcome[] = [];
  for (const change of changes) outcomes.push(await apart(transaction, () => makeOne(transaction, change)));
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
async function makeOne(transaction: Transaction<Tables>, change: Change<unknown>): Promise<unknown> {
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
