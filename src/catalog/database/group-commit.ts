import type { Kysely, Transaction } from 'kysely';
import { BackgroundTasks } from '../../async/background-tasks.ts';
import { Batcher } from '../../async/batcher.ts';
import { type Outcome, resultOf } from '../../async/outcome.ts';
import type { Semaphore } from '../../async/semaphore.ts';
import { inSavepoint, lockCatalog } from './change.ts';
import type { Tables } from './tables.ts';
import { inTurn } from './writing-turns.ts';

/** The most changes in one transaction. They share one sync, and wait for one another. */
const maxChangesPerCommit = 64;

/** Makes one change within a transaction. */
type Work<Result> = (transaction: Transaction<Tables>) => Promise<Result>;

/**
 * Makes changes one after the other, in the order of their arrival. Changes that wait at the same moment share a
 * transaction: a commit waits for the disk, which takes longer than most changes do. Each is atomic by itself, and is
 * done when it would survive a power failure.
 */
export class ChangeQueue {
  readonly #commits: Batcher<Work<unknown>, Outcome>;
  /** Waits of committed changes for the disk; the next changes are made meanwhile. */
  readonly #syncs: Batcher<void, void>;
  /** The callers get the failures of their changes. */
  readonly #running = new BackgroundTasks(() => undefined);

  /**
   * @param turns those of the process that write the file
   * @param sync resolves when the disk has all earlier commits
   */
  constructor(database: Kysely<Tables>, turns: Semaphore, sync: () => Promise<void>) {
    this.#commits = new Batcher(
      async (take) => {
        const changes = take();
        const outcomes = await inTurn(turns, () =>
          database.transaction().execute((transaction) => makeGroup(transaction, changes)),
        );
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

  /** Makes a change. @throws its errors, and the failures of the database */
  async make<Result>(change: Work<Result>): Promise<Result> {
    const made = this.#make(change);
    this.#running.add(made.then(() => undefined));
    // The queue holds changes with results of all kinds.
    return (await made) as Result;
  }

  /** Resolves when no change is active or waits for the disk. */
  async drained(): Promise<void> {
    await this.#running.done();
  }

  async #make(change: Work<unknown>): Promise<unknown> {
    const outcome = await this.#commits.do(change);
    // A refusal may also depend on earlier changes of the same transaction.
    await this.#syncs.do();
    return resultOf(outcome);
  }
}

async function makeGroup(transaction: Transaction<Tables>, changes: Work<unknown>[]): Promise<Outcome[]> {
  await lockCatalog(transaction);
  const [only] = changes;
  // A single change that fails rolls the transaction back.
  if (changes.length === 1 && only !== undefined) return [{ result: await only(transaction) }];
  const outcomes: Outcome[] = [];
  for (const change of changes) outcomes.push(await inSavepoint(transaction, () => change(transaction)));
  return outcomes;
}
