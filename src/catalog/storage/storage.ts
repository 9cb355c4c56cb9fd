import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import * as z from 'zod';
import type { AuditEvent } from '../database/audit-record.ts';
import { jsonColumn } from '../database/checked-column.ts';
import type { Database } from '../database/database.ts';
import { forgetGenerated } from '../generated/generated-rows.ts';
import { forgetBlob } from '../products/blob-rows.ts';
import { isKnownLost, type LostRecord, lostNow, recordLost } from './lost-blobs.ts';

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

  /**
   * The blobs that must be in the store, by digest: those of the catalog, those of kept documents, and those of versions that
   * no mirror can fetch on demand.
   * @param which the blobs after a digest, or one blob
   */
  async held(
    which: { after: string } | { digest: string },
    limit: number,
  ): Promise<{ digest: string; size: number }[]> {
    const matches = 'after' in which ? sql`digest > ${which.after}` : sql`digest = ${which.digest}`;
    const { rows } = await sql<{ digest: string; size: number }>`
      select digest, max(size) as size from (
        select * from (select digest, size from blobs where ${matches} order by digest limit ${limit}) as known
        union all
        select * from (
          select digest, max(size) as size from named_blobs where ${matches}
          and not exists (select 1 from sources where sources.digest = named_blobs.digest)
          group by digest order by digest limit ${limit}
        ) as named
        union all
        select * from (
          select digest, size from (select blob as digest, blob_size as size from kept_documents) as documents
          where ${matches} order by digest limit ${limit}
        ) as vouching
      ) as held group by digest order by digest limit ${limit}
    `.execute(this.#database.reads);
    return rows;
  }

  /** The versions with a blob, including removed versions that are still fetchable. */
  async versionsWith(
    digest: string,
  ): Promise<{ stream: string; product: string; serial: string; owner: string }[]> {
    return await this.#database.reads
      .selectFrom('named_blobs')
      .innerJoin('versions', 'versions.id', 'named_blobs.version_id')
      .innerJoin('products', 'products.id', 'versions.product_id')
      .select(['products.stream', 'products.name as product', 'versions.serial', 'products.owner'])
      .where('named_blobs.digest', '=', digest)
      .orderBy('products.name')
      .orderBy('versions.serial')
      .execute();
  }

  /**
   * Forgets a damaged or missing blob and takes its bytes away, in one transaction. Versions still name the blob; a publish
   * or a mirror can store it again. The next run of a mirror that has such a version looks for lost blobs. A blob that is
   * known to be lost already only loses its bytes. A generated file with these bytes is forgotten,
   * so that it is made again.
   * @param takeAway sets the bytes aside
   */
  async loseBlob(blob: LostRecord, takeAway: () => Promise<void>, now = new Date()): Promise<void> {
    const { digest, problem } = blob;
    await this.#database.change(async (change) => {
      if (!(await isKnownLost(change.db, digest))) {
        await forgetBlob(change, digest);
        await forgetGenerated(change, digest);
        await recordLost(change.db, blob, now);
        await change.audit({
          action: 'blob.lose',
          subject: `sha256:${digest}`,
          details: { reason: problem },
        });
      }
      await takeAway();
    });
  }

  /**
   * How many blobs were found damaged or missing that versions need and that neither the store nor a mirror on demand has,
   * and their bytes.
   */
  async lostSize(): Promise<{ blobs: number; bytes: number }> {
    const row = await lostNow(this.#database.reads)
      .select((expression) => [
        expression.fn.countAll<number>().as('blobs'),
        expression.fn.sum<number | null>('size').as('bytes'),
      ])
      .executeTakeFirstOrThrow();
    return { blobs: row.blobs, bytes: row.bytes ?? 0 };
  }
}
