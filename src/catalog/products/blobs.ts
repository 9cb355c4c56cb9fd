import { sql } from 'kysely';
import type { Database } from '../database/database.ts';
import { rowsOf, valuesOf } from '../database/json-rows.ts';
import { isDocumentBlob } from '../evidence/document-rows.ts';
import { type BlobFound, type BlobRecord, forgetBlob, insertBlobs, insertUploads } from './blob-rows.ts';
import { completeProducts } from './product-rows.ts';

export type { BlobRecord } from './blob-rows.ts';

/** The records of examined blobs, also of those that nothing names any more. */
export class Blobs {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async find(digest: string): Promise<BlobRecord | undefined> {
    return (await this.findAll([digest])).get(digest);
  }

  /** The records of some blobs, by digest; unknown blobs are missing. */
  async findAll(digests: readonly string[]): Promise<Map<string, BlobRecord>> {
    const rows = await this.#database.reads
      .selectFrom('blobs')
      .select(['digest', 'size', 'content'])
      .where('digest', 'in', valuesOf(digests))
      .execute();
    return new Map(rows.map((row) => [row.digest, row]));
  }

  /** Those of the given digests that are files of versions in the documents. */
  async published(digests: readonly string[]): Promise<Set<string>> {
    const rows = await this.#database.reads
      .selectFrom('items')
      .innerJoin('versions', 'versions.id', 'items.version_id')
      .select('items.digest')
      .distinct()
      .where('items.digest', 'in', valuesOf(digests))
      .where('versions.removed_at', 'is', null)
      .execute();
    return new Set(rows.map(({ digest }) => digest));
  }

  /** The digests of all of them. */
  async digests(): Promise<Set<string>> {
    const rows = await this.#database.reads.selectFrom('blobs').select('digest').execute();
    return new Set(rows.map((row) => row.digest));
  }

  /** Whether there are blobs. */
  async any(): Promise<boolean> {
    const row = await this.#database.reads.selectFrom('blobs').select('digest').limit(1).executeTakeFirst();
    return row !== undefined;
  }

  /**
   * Those of the given digests that the catalog does not know: neither as a blob nor as a file of a version, given or generated,
   * nor as a document.
   */
  async unknown(digests: readonly string[]): Promise<Set<string>> {
    const asked = digests.map((digest) => ({ digest }));
    const { rows } = await sql<{ digest: string }>`
      select digest from ${rowsOf({ digest: 'text' }, asked)}
      where digest not in (select digest from blobs) and digest not in (select digest from named_blobs)
      and digest not in (select blob from kept_documents)
    `.execute(this.#database.reads);
    return new Set(rows.map(({ digest }) => digest));
  }

  /**
   * Handles the bytes of a blob that the catalog does not know, in one transaction, so that no publish can name it in
   * between.
   * @returns false, and nothing is done, when the catalog knows it
   */
  async whileUnknown(digest: string, work: () => Promise<void>): Promise<boolean> {
    return await this.#database.change(async (change) => {
      for (const table of ['named_blobs', 'blobs'] as const) {
        const known = await change.db
          .selectFrom(table)
          .select('digest')
          .where('digest', '=', digest)
          .limit(1)
          .executeTakeFirst();
        if (known !== undefined) return false;
      }
      if (await isDocumentBlob(change.db, digest)) return false;
      await work();
      return true;
    });
  }

  /**
   * Records blobs whose bytes the actor stored, and the actor as their uploader: they will not be collected for the
   * grace period.
   * @returns the digests of those that were known before
   */
  async record(blobs: readonly BlobFound[], now = new Date()): Promise<Set<string>> {
    return await this.#database.grow(async (change) => {
      const { uploader } = change.permit;
      const known = await insertBlobs(change, blobs, now);
      if (uploader !== undefined) await insertUploads(change, blobs, uploader);
      return known;
    });
  }

  /**
   * Marks a blob as in use: it will not be collected for the grace period.
   * @returns false when it was collected meanwhile
   */
  async touch(digest: string, now = new Date()): Promise<boolean> {
    return await this.#database.grow(async (change) => {
      const { numUpdatedRows } = await change.db
        .updateTable('blobs')
        .set({ used_at: now.getTime() })
        .where('digest', '=', digest)
        .executeTakeFirst();
      return numUpdatedRows > 0n;
    });
  }

  /** Whether the actor may use the bytes of a blob that exists ({@link Permit.mayUse}). */
  async mayUse(digest: string): Promise<boolean> {
    const uploaders = await this.uploaders(digest);
    return await this.#database.permit.mayUse({ digest, uploaders, products: () => this.#products(digest) });
  }

  /** The uploaders of a blob. */
  async uploaders(digest: string): Promise<Set<string>> {
    const rows = await this.#database.reads
      .selectFrom('blob_uploads')
      .select('uploader')
      .where('digest', '=', digest)
      .execute();
    return new Set(rows.map(({ uploader }) => uploader));
  }

  /** The bytes of an uploader's stored blobs that no version contains. */
  async unpublishedBytes(uploader: string): Promise<number> {
    const { bytes } = await this.#database.reads
      .selectFrom('blob_uploads')
      .innerJoin('blobs', 'blobs.digest', 'blob_uploads.digest')
      .select((expression) => expression.fn.sum<number | null>('blobs.size').as('bytes'))
      .where('blob_uploads.uploader', '=', uploader)
      .where(({ not, exists, selectFrom }) =>
        not(
          exists(
            selectFrom('items')
              .select('items.digest')
              .whereRef('items.digest', '=', 'blob_uploads.digest')
              .limit(1),
          ),
        ),
      )
      .executeTakeFirstOrThrow();
    return bytes ?? 0;
  }

  /** The products with a version that contains a blob and was not removed. */
  async #products(digest: string) {
    const rows = await this.#database.reads
      .selectFrom('products')
      .selectAll()
      .where('id', 'in', (select) =>
        select
          .selectFrom('items')
          .innerJoin('versions', 'versions.id', 'items.version_id')
          .select('versions.product_id')
          .where('items.digest', '=', digest)
          .where('versions.removed_at', 'is', null),
      )
      .execute();
    return await completeProducts(this.#database.reads, rows, {});
  }

  /** Blobs that nothing names: no version, no version that waits, no document. They were last used before `before`. */
  async unused(before: Date, limit: number): Promise<string[]> {
    const rows = await this.#database.reads
      .selectFrom('blobs')
      .select('digest')
      .where('used_at', '<', before.getTime())
      .where('digest', 'not in', (select) => select.selectFrom('named_blobs').select('digest'))
      .where('digest', 'not in', (select) => select.selectFrom('kept_documents').select('blob'))
      .where('digest', 'not in', (select) => select.selectFrom('awaited_blobs').select('digest'))
      .limit(limit)
      .execute();
    return rows.map((row) => row.digest);
  }

  /**
   * Forgets a blob and removes its bytes, in one transaction, so that no publish can name it in between
   * (`Versions.publish` looks each blob up in the store inside its own).
   * @param removeBytes takes the bytes out of the store
   * @returns false, and nothing is removed, when the blob was named or used again
   */
  async collect(digest: string, before: Date, removeBytes: () => Promise<void>): Promise<boolean> {
    return await this.#database.change(async (change) => {
      for (const table of ['named_blobs', 'awaited_blobs'] as const) {
        const named = await change.db
          .selectFrom(table)
          .select('digest')
          .where('digest', '=', digest)
          .limit(1)
          .executeTakeFirst();
        if (named !== undefined) return false;
      }
      const used = await change.db
        .selectFrom('blobs')
        .select('digest')
        .where('digest', '=', digest)
        .where('used_at', '>=', before.getTime())
        .executeTakeFirst();
      if (used !== undefined || (await isDocumentBlob(change.db, digest))) return false;
      await forgetBlob(change, digest);
      await removeBytes();
      return true;
    });
  }
}
