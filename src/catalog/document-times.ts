import { sql } from 'kysely';
import type { Database } from './database/database.ts';

/** When documents last changed: the same for every server of the catalog, and after a restart. */
export class DocumentTimes {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * The time of the last change of a document. It never goes back: after a clock was set back, changes have the time of the
   * change before.
   * @param document what tells it from other documents
   * @param shown.content what tells this state of it from others
   * @param shown.revision the catalog's revision that it shows; one that is behind another server's changes nothing
   */
  async of(document: string, shown: { content: string; revision: number }, now = new Date()): Promise<Date> {
    const { content, revision } = shown;
    const known = await this.#database.reads
      .selectFrom('document_times')
      .select(['content', 'updated_at'])
      .where('document', '=', document)
      .executeTakeFirst();
    if (known?.content === content) return new Date(known.updated_at);
    return await this.#database.note(async (db) => {
      await sql`
        insert into document_times (document, content, revision, updated_at)
        values (${document}, ${content}, ${revision}, ${now.getTime()})
        on conflict (document) do update set
          content = excluded.content,
          revision = excluded.revision,
          updated_at = case
            when excluded.updated_at > document_times.updated_at then excluded.updated_at
            else document_times.updated_at
          end
        where document_times.content <> excluded.content and document_times.revision <= excluded.revision
      `.execute(db);
      const row = await db
        .selectFrom('document_times')
        .select('updated_at')
        .where('document', '=', document)
        .executeTakeFirstOrThrow();
      return new Date(row.updated_at);
    });
  }
}
