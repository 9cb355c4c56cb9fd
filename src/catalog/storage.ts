import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import type { AuditEvent } from './database/audit-record.ts';
import { jsonColumn } from './database/checked-column.ts';
import type { Database } from './database/database.ts';

/** How many marks are remembered: processes that share a catalog may issue some at the same moment. */
const most = 16;

/** The owner record by which a store belongs to this catalog. */
interface CatalogIdentity {
  /** The identity of this catalog. */
  catalog: string;
  /** The marks that this catalog issued, the newest first. A backup of it lacks those that came later. */
  marks: string[];
  /** The catalog's revision now. */
  revision: number;
}

/** A sweep that stopped because it found too many blobs that the catalog does not know. */
export interface StoppedSweep {
  /** When, in ISO 8601. */
  at: string;
  /** Blobs that the catalog does not know. */
  unknown: number;
  /** Blobs in the store. */
  blobs: number;
}

/** The id of the only row of the table. */
const theRow = 1;
const readMarks = jsonColumn('storage.marks', z.array(z.string()));
const readStoppedSweep = jsonColumn(
  'storage.stopped_sweep',
  z.looseObject({ at: z.string(), unknown: z.number(), blobs: z.number() }),
);

/** The catalog's records about its blob store as a whole. */
export class Storage {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async identity(): Promise<CatalogIdentity> {
    const { catalog, marks, value } = await this.#database.reads
      .selectFrom('storage')
      .innerJoin('revision', 'revision.id', 'storage.id')
      .select(['storage.catalog', 'storage.marks', 'revision.value'])
      .executeTakeFirstOrThrow();
    return { catalog, marks: readMarks(marks, theRow), revision: value };
  }

  /**
   * Issues the next mark. @param events for the audit log
   * @returns it, with the catalog's revision that has it
   */
  async issueMark(...events: AuditEvent[]): Promise<{ mark: string; revision: number }> {
    return await this.#database.change(async (change) => {
      const mark = randomUUID();
      const { marks } = await change.db.selectFrom('storage').select('marks').executeTakeFirstOrThrow();
      const issued = [mark, ...readMarks(marks, theRow)].slice(0, most);
      await change.db
        .updateTable('storage')
        .set({ marks: JSON.stringify(issued) })
        .execute();
      if (events.length > 0) await change.audit(...events);
      return { mark, revision: await change.revision() };
    });
  }

  /** The sweep that waits for a decision; undefined when the last one was completed. */
  async stoppedSweep(): Promise<StoppedSweep | undefined> {
    const row = await this.#database.reads
      .selectFrom('storage')
      .select('stopped_sweep')
      .executeTakeFirstOrThrow();
    return readStoppedSweep(row.stopped_sweep, theRow);
  }

  async noteSweep(stopped: StoppedSweep | undefined): Promise<void> {
    if (stopped === undefined && (await this.stoppedSweep()) === undefined) return;
    await this.#database.change(async (change) => {
      await change.db
        .updateTable('storage')
        .set({ stopped_sweep: stopped === undefined ? null : JSON.stringify(stopped) })
        .execute();
    });
  }
}
