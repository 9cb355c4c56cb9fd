import { sql } from 'kysely';
import type { Change } from '../database/change.ts';
import type { Database } from '../database/database.ts';
import { insertRows } from '../database/json-rows.ts';
import { forgetFingerprints } from '../images/fingerprint-rows.ts';
import { forgetBlob } from './blob-rows.ts';

/** The source of a listed blob that may not be stored. */
export interface Source {
  digest: string;
  /** Bytes. */
  size: number;
  /** The name of the mirror. */
  mirror: string;
  /** Below the base of the mirror's upstream. */
  path: string;
}

/** A stored blob that can be fetched again. */
export interface HeldSource {
  digest: string;
  /** Bytes. */
  size: number;
  /** When a client last asked for it, or when it was stored. */
  askedAt: Date;
}

const sourceColumns = {
  digest: 'text',
  mirror: 'text',
  path: 'text',
  size: 'bigint',
  recorded_at: 'bigint',
} as const;

/** The sources of the blobs of on-demand mirrors. A source is forgotten with the versions that name its blob. */
export class Sources {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Records sources, before the versions that name their blobs are published. */
  async record(sources: Source[], now = new Date()): Promise<void> {
    await this.#database.grow(async (change) => {
      const recorded_at = now.getTime();
      const rows = sources.map((source) => ({ ...source, recorded_at }));
      await sql`
        ${insertRows('sources', sourceColumns, rows)}
        on conflict (digest, mirror) do update set path = excluded.path, recorded_at = excluded.recorded_at
      `.execute(change.db);
    });
  }

  /** The sources of a blob. */
  async find(digest: string): Promise<Source[]> {
    return await this.#database.reads
      .selectFrom('sources')
      .select(['digest', 'size', 'mirror', 'path'])
      .where('digest', '=', digest)
      .orderBy('recorded_at', 'desc')
      .execute();
  }

  /** The paths from which a mirror would fetch its blobs, by digest. */
  async paths(mirror: string): Promise<Map<string, string>> {
    const rows = await this.#database.reads
      .selectFrom('sources')
      .select(['digest', 'path'])
      .where('mirror', '=', mirror)
      .execute();
    return new Map(rows.map(({ digest, path }) => [digest, path]));
  }

  /** Gives the sources of one mirror to another. */
  async handOver(mirror: string, to: string): Promise<void> {
    await this.#database.change(async (change) => {
      await change.db
        .deleteFrom('sources')
        .where('mirror', '=', mirror)
        .where('digest', 'in', (select) =>
          select.selectFrom('sources').select('digest').where('mirror', '=', to),
        )
        .execute();
      await change.db.updateTable('sources').set({ mirror: to }).where('mirror', '=', mirror).execute();
    });
  }

  /** Records that a client asked for a blob, if the blob has a source. */
  async noteAsked(digest: string, now = new Date()): Promise<void> {
    if ((await this.find(digest)).length === 0) return;
    await this.#database.note(async (db) => {
      await db.updateTable('sources').set({ asked_at: now.getTime() }).where('digest', '=', digest).execute();
    });
  }

  /**
   * The stored blobs of a mirror that could be fetched again: blobs that only the versions of its owner name. The least
   * recently requested come first.
   */
  async held(mirror: string, owner: string): Promise<HeldSource[]> {
    const rows = await this.#database.reads
      .selectFrom('sources')
      .innerJoin('blobs', 'blobs.digest', 'sources.digest')
      .select(['blobs.digest', 'blobs.size', 'blobs.used_at', 'sources.asked_at'])
      .where('sources.mirror', '=', mirror)
      .where(({ not, exists, selectFrom }) =>
        not(
          exists(
            selectFrom('items')
              .innerJoin('versions', 'versions.id', 'items.version_id')
              .innerJoin('products', 'products.id', 'versions.product_id')
              .select('items.digest')
              .whereRef('items.digest', '=', 'sources.digest')
              .where('products.owner', '!=', owner),
          ),
        ),
      )
      .execute();
    return rows
      .map(({ digest, size, used_at, asked_at }) => ({
        digest,
        size,
        askedAt: new Date(Math.max(used_at, asked_at ?? 0)),
      }))
      .sort((one, other) => one.askedAt.getTime() - other.askedAt.getTime());
  }

  /**
   * Removes the bytes of a blob that can be fetched again, in one transaction, so that no publish can name it in
   * between (`Versions.publish` looks each blob up in the store inside its own).
   * @param removeBytes takes the bytes out of the store
   * @returns false, and nothing is removed, when something else names the blob by now
   */
  async evict(digest: string, owner: string, removeBytes: () => Promise<void>): Promise<boolean> {
    return await this.#database.change(async (change) => {
      const other = await change.db
        .selectFrom('items')
        .innerJoin('versions', 'versions.id', 'items.version_id')
        .innerJoin('products', 'products.id', 'versions.product_id')
        .select('items.digest')
        .where('items.digest', '=', digest)
        .where('products.owner', '!=', owner)
        .limit(1)
        .executeTakeFirst();
      if (other !== undefined) return false;
      await forgetBlob(change, digest);
      await removeBytes();
      return true;
    });
  }
}

/**
 * Forgets sources of blobs that no version names, unless they were recorded after `before`: their version follows. In time,
 * also the fingerprints of such blobs.
 */
export async function forgetSources(change: Change, before: Date): Promise<void> {
  await change.db
    .deleteFrom('sources')
    .where('recorded_at', '<', before.getTime())
    .where('digest', 'not in', (select) => select.selectFrom('items').select('digest'))
    .execute();
  await forgetFingerprints(change);
}
