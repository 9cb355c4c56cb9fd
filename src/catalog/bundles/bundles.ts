import { type Selectable, sql } from 'kysely';
import { HeadwaterError } from '../../errors.ts';
import type { Database } from '../database/database.ts';
import { insertRows } from '../database/json-rows.ts';
import type { Tables } from '../database/tables.ts';

/** A bundle that was written, or is being written. */
export interface LedgerEntry {
  to: string;
  sequence: number;
  /** The SHA-256 of its manifest. */
  identity: string;
  createdAt: Date;
  label: string | null;
  /** Bytes of the blobs that it carries. */
  bytes: number;
  volumeCount: number;
  /** Undefined while it is being written. */
  finishedAt: Date | undefined;
  /** When a receipt of the site was taken that names it or a later one. */
  acknowledgedAt: Date | undefined;
}

/** What tells a bundle from others. */
type BundleKey = Pick<LedgerEntry, 'to' | 'sequence' | 'identity'>;

/** A bundle with what is needed to write it once more. */
export interface WrittenBundle extends LedgerEntry {
  /** The bytes that were signed. */
  manifest: string;
  /** Armored. */
  signature: string;
}

/** A bundle that begins to be written. */
export type NewBundle = Omit<WrittenBundle, 'finishedAt' | 'acknowledgedAt'> & {
  /** The digests of the blobs that it carries, in hexadecimal. */
  carried: readonly string[];
  /** Those of them that a previous bundle carried, too, as `overlap` asks for. */
  repeated?: ReadonlySet<string>;
  /** The SHA-256 of the upstreams' documents that it carries. */
  documents: readonly string[];
};

/** The ledger of bundles: what was written for which site. */
export class Bundles {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Records that a bundle begins to be written. It takes the place of one for the same site that was never finished.
   * @throws HeadwaterError `conflict` when another process has written a bundle for the site meanwhile
   */
  async begin(bundle: NewBundle): Promise<void> {
    const { to, sequence } = bundle;
    await this.#database.change(async (change) => {
      for (const table of ['bundle_blobs', 'bundle_documents', 'bundles'] as const) {
        await change.db
          .deleteFrom(table)
          .where('site', '=', to)
          .where('sequence', 'in', (select) =>
            select
              .selectFrom('bundles as unfinished')
              .select('unfinished.sequence')
              .where('unfinished.site', '=', to)
              .where('unfinished.finished_at', 'is', null),
          )
          .execute();
      }
      const last = await change.db
        .selectFrom('bundles')
        .select((expression) => expression.fn.max('sequence').as('sequence'))
        .where('site', '=', to)
        .executeTakeFirst();
      if ((last?.sequence ?? 0) >= sequence) {
        throw new HeadwaterError('conflict', `bundle ${sequence} for ${to} exists already: try again`);
      }
      await change.db
        .insertInto('bundles')
        .values({
          ...{ site: to, sequence, identity: bundle.identity, label: bundle.label, bytes: bundle.bytes },
          ...{ manifest: bundle.manifest, signature: bundle.signature, volume_count: bundle.volumeCount },
          created_at: bundle.createdAt.getTime(),
          ...{ finished_at: null, acknowledged_at: null },
        })
        .execute();
      const rows = bundle.carried.map((digest) => {
        const repeated = bundle.repeated?.has(digest) === true ? 1 : 0;
        return { site: to, sequence, digest, repeated };
      });
      const columns = { site: 'text', sequence: 'bigint', digest: 'text', repeated: 'bigint' } as const;
      await sql`${insertRows('bundle_blobs', columns, rows)}`.execute(change.db);
      const documents = bundle.documents.map((sha256) => ({ site: to, sequence, sha256 }));
      if (documents.length > 0) await change.db.insertInto('bundle_documents').values(documents).execute();
      await change.audit({
        action: 'bundle.create',
        subject: to,
        details: { sequence, identity: bundle.identity, blobs: bundle.carried.length, bytes: bundle.bytes },
      });
    });
  }

  /**
   * Records that a bundle is whole on its medium.
   * @throws HeadwaterError `conflict` when another process has begun another bundle in its place
   */
  async finish({ to, sequence, identity }: BundleKey, now = new Date()): Promise<void> {
    await this.#database.change(async ({ db }) => {
      const found = await db
        .selectFrom('bundles')
        .select('finished_at')
        .where('site', '=', to)
        .where('sequence', '=', sequence)
        .where('identity', '=', identity)
        .executeTakeFirst();
      if (found === undefined) {
        throw new HeadwaterError(
          'conflict',
          `bundle ${sequence} for ${to} does not count as sent, because another process began another one: run the command again`,
        );
      }
      await db
        .updateTable('bundles')
        .set({ finished_at: found.finished_at ?? now.getTime() })
        .where('site', '=', to)
        .where('sequence', '=', sequence)
        .execute();
    });
  }

  /** The bundles of a site, or of all, in the order of their sites and sequences. */
  async list(to?: string): Promise<LedgerEntry[]> {
    const rows = await this.#database.reads
      .selectFrom('bundles')
      .select(['site', 'sequence', 'identity', 'label', 'bytes', 'volume_count'])
      .select(['created_at', 'finished_at', 'acknowledged_at'])
      .$if(to !== undefined, (select) => select.where('site', '=', to ?? ''))
      .orderBy('site')
      .orderBy('sequence')
      .execute();
    return rows.map(toEntry);
  }

  /** A bundle with its manifest, finished or not. */
  async find(to: string, sequence: number): Promise<WrittenBundle | undefined> {
    const row = await this.#database.reads
      .selectFrom('bundles')
      .selectAll()
      .where('site', '=', to)
      .where('sequence', '=', sequence)
      .executeTakeFirst();
    return row === undefined
      ? undefined
      : { ...toEntry(row), manifest: row.manifest, signature: row.signature };
  }

  /**
   * The blobs that finished bundles carried to a site, with the newest bundle that did.
   * @param options.upTo only bundles up to this sequence
   * @param options.after only bundles after this sequence
   * @returns sequences by digest
   */
  async carried(
    to: string,
    { upTo = Number.MAX_SAFE_INTEGER, after = 0 }: { upTo?: number; after?: number } = {},
  ): Promise<Map<string, number>> {
    const rows = await this.#database.reads
      .selectFrom('bundle_blobs')
      .innerJoin('bundles', (join) =>
        join
          .onRef('bundles.site', '=', 'bundle_blobs.site')
          .onRef('bundles.sequence', '=', 'bundle_blobs.sequence'),
      )
      .select(['bundle_blobs.digest', 'bundle_blobs.sequence'])
      .where('bundle_blobs.site', '=', to)
      .where('bundle_blobs.sequence', '<=', upTo)
      .where('bundle_blobs.sequence', '>', after)
      .where('bundles.finished_at', 'is not', null)
      .orderBy('bundle_blobs.sequence')
      .execute();
    return new Map(rows.map(({ digest, sequence }) => [digest, sequence]));
  }

  /**
   * The blobs that the last finished bundles for a site carried, without those that were only repeated.
   * @param count how many bundles
   * @returns digests
   */
  async recent(to: string, count: number): Promise<Set<string>> {
    const rows = await this.#database.reads
      .selectFrom('bundle_blobs')
      .select('digest')
      .where('site', '=', to)
      .where('repeated', '=', 0)
      .where('sequence', 'in', (select) =>
        select
          .selectFrom('bundles')
          .select('bundles.sequence')
          .where('bundles.site', '=', to)
          .where('bundles.finished_at', 'is not', null)
          .orderBy('bundles.sequence', 'desc')
          .limit(count),
      )
      .execute();
    return new Set(rows.map(({ digest }) => digest));
  }
}

function toEntry(row: Omit<Selectable<Tables['bundles']>, 'manifest' | 'signature'>): LedgerEntry {
  return {
    ...{ to: row.site, sequence: row.sequence, identity: row.identity, label: row.label },
    ...{ bytes: row.bytes, volumeCount: row.volume_count },
    createdAt: new Date(row.created_at),
    finishedAt: dateOf(row.finished_at),
    acknowledgedAt: dateOf(row.acknowledged_at),
  };
}

function dateOf(time: number | null): Date | undefined {
  return time === null ? undefined : new Date(time);
}
