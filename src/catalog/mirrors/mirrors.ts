import type { Kysely, Selectable } from 'kysely';
import type * as z from 'zod';
import type { AuditEvent } from '../database/audit-record.ts';
import { jsonColumn, timeOf } from '../database/checked-column.ts';
import type { Database } from '../database/database.ts';
import type { Tables } from '../database/tables.ts';
import type { Lease } from '../held-lease.ts';
import { insertRun, type RunOutcome, type RunRecord, successes, toRecord } from './mirror-run-rows.ts';

/** The records of mirrors between their runs. */
export class Mirrors {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Takes the lease of a mirror, unless another holder has one that has not expired. A run that its former holder left
   * unfinished is marked as interrupted.
   * @param options.deadHolder a holder that is known to have ended: its lease counts as expired
   * @returns undefined, or the lease of the other holder
   */
  async acquire(
    mirror: string,
    lease: Lease,
    options: { deadHolder?: string; now?: Date } = {},
  ): Promise<Lease | undefined> {
    const now = (options.now ?? new Date()).getTime();
    return await this.#database.change(async (change) => {
      const row = await change.db
        .selectFrom('mirrors')
        .selectAll()
        .where('name', '=', mirror)
        .executeTakeFirst();
      const current = row === undefined ? undefined : leaseOf(row);
      if (
        current !== undefined &&
        current.holder !== options.deadHolder &&
        current.expiresAt.getTime() > now
      ) {
        return current;
      }
      const values = { lease_holder: lease.holder, lease_expires_at: lease.expiresAt.getTime() };
      await change.db
        .insertInto('mirrors')
        .values({ name: mirror, state: null, next_run_at: null, ...values })
        .onConflict((conflict) => conflict.column('name').doUpdateSet(values))
        .execute();
      await change.db
        .updateTable('mirror_runs')
        .set({
          finished_at: now,
          outcome: 'interrupted',
          error: 'its process ended before the run was finished',
        })
        .where('mirror', '=', mirror)
        .where('finished_at', 'is', null)
        .execute();
      return undefined;
    });
  }

  /** Moves the expiry of a lease. @returns false when another holder has it by now */
  async renew(mirror: string, lease: Lease): Promise<boolean> {
    return await this.#database.note(async (db) => {
      const { numUpdatedRows } = await db
        .updateTable('mirrors')
        .set({ lease_expires_at: lease.expiresAt.getTime() })
        .where('name', '=', mirror)
        .where('lease_holder', '=', lease.holder)
        .executeTakeFirst();
      return numUpdatedRows > 0n;
    });
  }

  async release(mirror: string, holder: string): Promise<void> {
    await this.#database.change(async (change) => {
      await change.db
        .updateTable('mirrors')
        .set({ lease_holder: null, lease_expires_at: null })
        .where('name', '=', mirror)
        .where('lease_holder', '=', holder)
        .execute();
    });
  }

  async lease(mirror: string): Promise<Lease | undefined> {
    const row = await this.#row(mirror);
    return row === undefined ? undefined : leaseOf(row);
  }

  /** The state that the last complete run left for the next one. @param schema the shape of a state */
  async state<State>(mirror: string, schema: z.ZodType<State>): Promise<State | undefined> {
    const state = (await this.#row(mirror))?.state ?? null;
    return jsonColumn('mirrors.state', schema)(state, mirror);
  }

  async setState(mirror: string, state: unknown): Promise<void> {
    const values = { state: state === undefined ? null : JSON.stringify(state) };
    await this.#database.change((change) => put(change.db, mirror, values));
  }

  /** The newest documents that the mirror followed; they stay when its state is dropped. @param schema their shape */
  async accepted<Accepted>(mirror: string, schema: z.ZodType<Accepted>): Promise<Accepted | undefined> {
    const accepted = (await this.#row(mirror))?.accepted ?? null;
    return jsonColumn('mirrors.accepted', schema)(accepted, mirror);
  }

  /** Records the documents that the mirror follows. @param events for the audit log */
  async accept(mirror: string, accepted: unknown, ...events: AuditEvent[]): Promise<void> {
    const values = { accepted: accepted === undefined ? null : JSON.stringify(accepted) };
    await this.#database.change(async (change) => {
      await put(change.db, mirror, values);
      if (events.length > 0) await change.audit(...events);
    });
  }

  /** How many of the mirror's blobs were found damaged or missing so far. */
  async losses(mirror: string): Promise<number> {
    return (await this.#row(mirror))?.losses ?? 0;
  }

  async nextRun(mirror: string): Promise<Date | undefined> {
    return timeOf((await this.#row(mirror))?.next_run_at ?? null);
  }

  async setNextRun(mirror: string, at: Date | undefined): Promise<void> {
    const values = { next_run_at: at?.getTime() ?? null };
    await this.#database.note((db) => put(db, mirror, values));
  }

  /** Records that a run began. @returns its id, and whether it continues an interrupted run */
  async begin(mirror: string, cause: string, now = new Date()): Promise<{ id: number; resumes: boolean }> {
    return await this.#database.change((change) => insertRun(change, { mirror, cause, now }));
  }

  /** Records the end of a run, unless another process has recorded it. */
  async finish(
    id: number,
    result: { outcome: RunOutcome; report: unknown; error?: string },
    now = new Date(),
  ): Promise<void> {
    await this.#database.change(async (change) => {
      await change.db
        .updateTable('mirror_runs')
        .set({
          finished_at: now.getTime(),
          outcome: result.outcome,
          report: JSON.stringify(result.report),
          error: result.error ?? null,
        })
        .where('id', '=', id)
        .where('finished_at', 'is', null)
        .execute();
    });
  }

  /** The runs of a mirror, the newest first. */
  async runs(mirror: string, limit: number): Promise<RunRecord[]> {
    const rows = await this.#database.reads
      .selectFrom('mirror_runs')
      .selectAll()
      .where('mirror', '=', mirror)
      .orderBy('id', 'desc')
      .limit(limit)
      .execute();
    return rows.map(toRecord);
  }

  /** When the mirror ran for the first time. */
  async firstRun(mirror: string): Promise<Date | undefined> {
    const row = await this.#database.reads
      .selectFrom('mirror_runs')
      .select('started_at')
      .where('mirror', '=', mirror)
      .orderBy('id')
      .limit(1)
      .executeTakeFirst();
    return row === undefined ? undefined : new Date(row.started_at);
  }

  /** The last run after which all selected versions were held. */
  async lastSuccess(mirror: string): Promise<RunRecord | undefined> {
    const row = await this.#database.reads
      .selectFrom('mirror_runs')
      .selectAll()
      .where('mirror', '=', mirror)
      .where('outcome', 'in', [...successes])
      .orderBy('id', 'desc')
      .limit(1)
      .executeTakeFirst();
    return row === undefined ? undefined : toRecord(row);
  }

  async #row(mirror: string): Promise<Selectable<Tables['mirrors']> | undefined> {
    return await this.#database.reads
      .selectFrom('mirrors')
      .selectAll()
      .where('name', '=', mirror)
      .executeTakeFirst();
  }
}

/** Writes columns of a mirror's row, and creates the row if it is missing. */
async function put(
  db: Kysely<Tables>,
  name: string,
  values: { state: string | null } | { accepted: string | null } | { next_run_at: number | null },
): Promise<void> {
  const none = { state: null, next_run_at: null, lease_holder: null, lease_expires_at: null };
  await db
    .insertInto('mirrors')
    .values({ name, ...none, ...values })
    .onConflict((conflict) => conflict.column('name').doUpdateSet(values))
    .execute();
}

function leaseOf(row: Selectable<Tables['mirrors']>): Lease | undefined {
  if (row.lease_holder === null || row.lease_expires_at === null) return undefined;
  return { holder: row.lease_holder, expiresAt: new Date(row.lease_expires_at) };
}
