import type * as z from 'zod';
import type { AuditEvent } from '../database/audit-record.ts';
import { jsonColumn } from '../database/checked-column.ts';
import type { Database } from '../database/database.ts';

/** The records of image servers that clients copy from, and that have no mirror definition. */
export class ImageServerRecords {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** The newest documents of a server that were followed. @param schema their shape */
  async accepted<Accepted>(url: string, schema: z.ZodType<Accepted>): Promise<Accepted | undefined> {
    const row = await this.#database.reads
      .selectFrom('image_servers')
      .select('accepted')
      .where('url', '=', url)
      .executeTakeFirst();
    return jsonColumn('image_servers.accepted', schema)(row?.accepted ?? null, url);
  }

  /**
   * Records the documents of a server that are followed.
   * @param merge makes the new record from the present one: another process may have followed newer documents
   * @param events for the audit log
   */
  async accept<Accepted>(
    url: string,
    schema: z.ZodType<Accepted>,
    merge: (before: Accepted | undefined) => Accepted,
    ...events: AuditEvent[]
  ): Promise<void> {
    await this.#database.change(async (change) => {
      const row = await change.db
        .selectFrom('image_servers')
        .select('accepted')
        .where('url', '=', url)
        .executeTakeFirst();
      const before = jsonColumn('image_servers.accepted', schema)(row?.accepted ?? null, url);
      const accepted = JSON.stringify(merge(before));
      await change.db
        .insertInto('image_servers')
        .values({ url, accepted })
        .onConflict((conflict) => conflict.column('url').doUpdateSet({ accepted }))
        .execute();
      if (events.length > 0) await change.audit(...events);
    });
  }
}
