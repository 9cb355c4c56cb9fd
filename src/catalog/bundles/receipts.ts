import { sql } from 'kysely';
import { HeadwaterError } from '../../errors.ts';
import type { Database } from '../database/database.ts';
import { insertRows } from '../database/json-rows.ts';

/** The last word of a site on what it has. */
export interface TakenReceipt {
  site: string;
  /** The newest bundle that it had imported; 0 if it had none. */
  sequence: number;
  createdAt: Date;
  /** Whose signature it had, for people; null if it was a short code, which is not signed. */
  signedBy: string | null;
  /** Blobs of the newest bundle that it did not have. */
  missing: number;
}

/** What sites say that they have of the bundles that were sent to them: the newest receipt of each. */
export class Receipts {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** The newest receipt of a site. */
  async find(site: string): Promise<TakenReceipt | undefined> {
    const row = await this.#database.reads
      .selectFrom('receipts')
      .selectAll()
      .where('site', '=', site)
      .executeTakeFirst();
    if (row === undefined) return undefined;
    const { sequence, created_at, signed_by, missing } = row;
    return { site, sequence, createdAt: new Date(created_at), signedBy: signed_by, missing };
  }

  /** The blobs that a site had when it wrote its newest receipt: SHA-256 in hexadecimal. */
  async held(site: string): Promise<string[]> {
    const rows = await this.#database.reads
      .selectFrom('receipt_blobs')
      .select('digest')
      .where('site', '=', site)
      .orderBy('digest')
      .execute();
    return rows.map(({ digest }) => digest);
  }

  /**
   * Records what a site has. It replaces the receipt before. Bundles up to its sequence are acknowledged.
   * @param options.force also if a newer receipt of the site was taken
   * @throws HeadwaterError `conflict` if a newer one was taken
   */
  async take(
    receipt: TakenReceipt,
    held: readonly string[],
    { force = false, now = new Date() }: { force?: boolean; now?: Date } = {},
  ): Promise<void> {
    const { site, sequence, createdAt, signedBy, missing } = receipt;
    await this.#database.change(async (change) => {
      const { db } = change;
      const before = await db
        .selectFrom('receipts')
        .select(['sequence', 'created_at'])
        .where('site', '=', site)
        .executeTakeFirst();
      // A site that lost data may be at an older bundle than before. A code has no time, so its sequence decides.
      const isOlder =
        before !== undefined &&
        (signedBy === null ? sequence < before.sequence : createdAt.getTime() < before.created_at);
      if (isOlder && !force) {
        throw new HeadwaterError(
          'conflict',
          `a newer receipt of ${site} was taken: it is of ${new Date(before.created_at).toISOString()} and names bundle ${before.sequence}. If this one is right, use --force`,
        );
      }
      await db.deleteFrom('receipts').where('site', '=', site).execute();
      await db.deleteFrom('receipt_blobs').where('site', '=', site).execute();
      await db
        .insertInto('receipts')
        .values({ site, sequence, missing, signed_by: signedBy, created_at: createdAt.getTime() })
        .execute();
      const columns = { site: 'text', digest: 'text' } as const;
      const rows = held.map((digest) => ({ site, digest }));
      await sql`${insertRows('receipt_blobs', columns, rows)}`.execute(db);
      await db
        .updateTable('bundles')
        .set({ acknowledged_at: now.getTime() })
        .where('site', '=', site)
        .where('sequence', '<=', sequence)
        .where('acknowledged_at', 'is', null)
        .execute();
      // A site can have imported a bundle only if it is complete, whatever became of the command that wrote it.
      await db
        .updateTable('bundles')
        .set({ finished_at: now.getTime() })
        .where('site', '=', site)
        .where('sequence', '=', sequence)
        .where('finished_at', 'is', null)
        .execute();
      await change.audit({
        action: 'bundle.acknowledge',
        subject: site,
        details: { sequence, blobs: held.length, missing, signedBy, created: createdAt.toISOString() },
      });
    });
  }
}
