import type { Selectable } from 'kysely';
import * as z from 'zod';
import { defined } from '../../model/defined.ts';
import type { Change } from '../database/change.ts';
import { jsonColumn, timeOf, wordColumn } from '../database/checked-column.ts';
import type { Tables } from '../database/tables.ts';

/**
 * How a run ended. `success`: all selected versions are held. `unchanged`: they already were. `partial`: some versions
 * failed. `failed`: it could not continue. `interrupted`: its process was told to stop, or was killed.
 */
export type RunOutcome = (typeof runOutcomes)[number];
const runOutcomes = ['success', 'unchanged', 'partial', 'failed', 'interrupted'] as const;

/** What a run did, as the catalog reads it: the mirror records more. */
interface RecordedReport {
  /** Versions. */
  added?: number;
  failures?: number;
  /** Bytes. */
  fetched?: number;
}

/** One run of a mirror. */
export interface RunRecord {
  id: number;
  mirror: string;
  /** Why it ran: `schedule`, `catch-up` or `manual`. */
  cause: string;
  startedAt: Date;
  /** Absent while it runs. */
  finishedAt?: Date;
  outcome?: RunOutcome;
  /** What it did. */
  report?: RecordedReport;
  /** The error that ended it, if it failed. */
  error?: string;
}

const readOutcome = wordColumn('mirror_runs.outcome', runOutcomes);
const readReport = jsonColumn<RecordedReport>(
  'mirror_runs.report',
  z.looseObject({
    added: z.number().exactOptional(),
    failures: z.number().exactOptional(),
    fetched: z.number().exactOptional(),
  }),
);

/** The number of records that are kept for each mirror. */
const recordsKept = 200;

/** Outcomes after which all selected versions are held. */
export const successes = ['success', 'unchanged'] as const satisfies RunOutcome[];

/**
 * Records that a run began, and forgets old ones.
 * @returns its id, and whether it continues an interrupted run
 */
export async function insertRun(
  change: Change,
  { mirror, cause, now }: { mirror: string; cause: string; now: Date },
): Promise<{ id: number; resumes: boolean }> {
  const before = await change.db
    .selectFrom('mirror_runs')
    .select('outcome')
    .where('mirror', '=', mirror)
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst();
  const { id } = await change.db
    .insertInto('mirror_runs')
    .values({
      mirror,
      cause,
      started_at: now.getTime(),
      finished_at: null,
      outcome: null,
      report: null,
      error: null,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  await change.db
    .deleteFrom('mirror_runs')
    .where('mirror', '=', mirror)
    .where('id', 'not in', (select) =>
      select
        .selectFrom('mirror_runs')
        .select('id')
        .where('mirror', '=', mirror)
        .orderBy('id', 'desc')
        .limit(recordsKept),
    )
    // The age of a mirror is counted from its last success.
    .where('id', 'not in', (select) =>
      select
        .selectFrom('mirror_runs')
        .select('id')
        .where('mirror', '=', mirror)
        .where('outcome', 'in', [...successes])
        .orderBy('id', 'desc')
        .limit(1),
    )
    .execute();
  return { id, resumes: before?.outcome === 'interrupted' };
}

export function toRecord(row: Selectable<Tables['mirror_runs']>): RunRecord {
  return {
    id: row.id,
    mirror: row.mirror,
    cause: row.cause,
    startedAt: new Date(row.started_at),
    ...defined({
      finishedAt: timeOf(row.finished_at),
      outcome: row.outcome === null ? undefined : readOutcome(row.outcome, row.id),
      report: readReport(row.report, row.id),
      error: row.error ?? undefined,
    }),
  };
}
