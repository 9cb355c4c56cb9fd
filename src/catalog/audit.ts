import type { Selectable } from 'kysely';
import * as z from 'zod';
import { defined } from '../model/defined.ts';
import type { Actor, AuditEvent } from './database/audit-record.ts';
import { jsonColumn } from './database/checked-column.ts';
import type { Database } from './database/database.ts';
import type { Tables } from './database/tables.ts';

export interface AuditEntry extends AuditEvent, Omit<Actor, 'permit'> {
  /** Grows with each entry. */
  id: number;
  at: Date;
}

const readDetails = jsonColumn('audit.details', z.record(z.string(), z.unknown()));

/** The log of every change. */
export class Audit {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Records an event outside of the catalog. */
  async note(event: AuditEvent): Promise<void> {
    await this.#database.change(async (change) => await change.audit(event));
  }

  /**
   * Entries, the newest first.
   * @param options.since only those of that moment and later
   * @param options.before only those with a smaller id: the end of the previous page
   */
  async list(options: { since?: Date; who?: string; before?: number; limit: number }): Promise<AuditEntry[]> {
    const { since, who, before, limit } = options;
    const rows = await this.#database.reads
      .selectFrom('audit')
      .selectAll()
      .$if(since !== undefined, (select) => select.where('at', '>=', since?.getTime() ?? 0))
      .$if(who !== undefined, (select) => select.where('who', '=', who ?? ''))
      .$if(before !== undefined, (select) => select.where('id', '<', before ?? 0))
      .orderBy('id', 'desc')
      .limit(limit)
      .execute();
    return rows.map(toEntry);
  }

  /**
   * Forgets the oldest entries.
   * @param keep how many stay
   */
  async trim(keep: number): Promise<void> {
    const first = await this.#database.reads
      .selectFrom('audit')
      .select('id')
      .orderBy('id', 'desc')
      .offset(keep)
      .limit(1)
      .executeTakeFirst();
    if (first === undefined) return;
    await this.#database.note((db) => db.deleteFrom('audit').where('id', '<=', first.id).execute());
  }
}

function toEntry(row: Selectable<Tables['audit']>): AuditEntry {
  const { id, at, who, origin, action, subject, details } = row;
  return {
    id,
    at: new Date(at),
    who,
    from: origin,
    action,
    subject,
    ...defined({ details: readDetails(details, id) }),
  };
}
