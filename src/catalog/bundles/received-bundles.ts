import { type Selectable, sql } from 'kysely';
import type { AuditEvent } from '../database/audit-record.ts';
import type { Change } from '../database/change.ts';
import type { Database } from '../database/database.ts';
import { insertRows } from '../database/json-rows.ts';
import type { Tables } from '../database/tables.ts';

/** A bundle of another site that a mirror imported. */
export interface ReceivedBundle {
  /** The SHA-256 of its manifest. */
  identity: string;
  /** The site that wrote it. */
  site: string;
  /** The name of this site in it. */
  to: string;
  sequence: number;
  /** The identity of the bundle before it; null in the first one of a chain. */
  previous: string | null;
  /** The fingerprint of the key that signed it; null when signatures are not checked. */
  signedBy: string | null;
  createdAt: Date;
  receivedAt: Date;
  /** Whether everything that it carries and that was needed was whole. */
  isComplete: boolean;
}

/** The bundle whose state a mirror follows. */
export interface FollowedBundle extends ReceivedBundle {
  /** The bytes that were signed. */
  manifest: string;
  /** Versions of the state that lack blobs. */
  waitingVersions: number;
}

/** A blob of a version that cannot be published yet. */
export interface AwaitedBlob {
  /** 64 hexadecimal digits. */
  digest: string;
  /** Bytes. */
  size: number;
  /** The bundle that carried it. */
  sequence: number;
}

/** The bundles that mirrors imported, and what their versions wait for. */
export class ReceivedBundles {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** The bundles of a mirror, in the order of their sequences. */
  async list(mirror: string): Promise<ReceivedBundle[]> {
    const rows = await this.#database.reads
      .selectFrom('received_bundles')
      .select(['identity', 'site', 'destination', 'sequence', 'previous', 'signed_by'])
      .select(['created_at', 'received_at', 'is_complete'])
      .where('mirror', '=', mirror)
      .orderBy('sequence')
      .orderBy('created_at')
      .execute();
    return rows.map(toBundle);
  }

  /** The bundle whose state a mirror follows. */
  async followed(mirror: string): Promise<FollowedBundle | undefined> {
    const row = await this.#database.reads
      .selectFrom('received_bundles')
      .selectAll()
      .where('mirror', '=', mirror)
      .where('manifest', 'is not', null)
      .executeTakeFirst();
    if (row === undefined) return undefined;
    const { manifest, waiting_versions: waitingVersions } = row;
    return { ...toBundle(row), manifest: manifest ?? '', waitingVersions };
  }

  /** The blobs of versions that wait, whether or not they are stored. */
  async awaited(mirror: string): Promise<(AwaitedBlob & { isStored: boolean })[]> {
    const rows = await this.#database.reads
      .selectFrom('awaited_blobs')
      .leftJoin('blobs', 'blobs.digest', 'awaited_blobs.digest')
      .select(['awaited_blobs.digest', 'awaited_blobs.size', 'awaited_blobs.sequence'])
      .select('blobs.digest as stored')
      .where('awaited_blobs.mirror', '=', mirror)
      .orderBy('awaited_blobs.sequence')
      .orderBy('awaited_blobs.digest')
      .execute();
    return rows.map(({ stored, ...blob }) => ({ ...blob, isStored: stored !== null }));
  }

  /**
   * Records that the import of a bundle begins. Garbage collection spares the awaited blobs from here on.
   * @param options.manifest the bytes that were signed, if the mirror follows this bundle from now on
   * @param options.forgetsOthers the other bundles belong to another chain
   * @param options.events for the audit log
   */
  async begin(
    mirror: string,
    bundle: ReceivedBundle,
    options: {
      manifest?: string;
      awaited: readonly AwaitedBlob[];
      forgetsOthers?: boolean;
      events?: readonly AuditEvent[];
    },
  ): Promise<void> {
    const { manifest, awaited, forgetsOthers = false, events = [] } = options;
    await this.#database.change(async (change) => {
      if (forgetsOthers) await forgetBundles(change, mirror);
      if (manifest !== undefined) {
        await change.db
          .updateTable('received_bundles')
          .set({ manifest: null, waiting_versions: 0 })
          .where('mirror', '=', mirror)
          .execute();
      }
      const { identity, site, sequence, previous } = bundle;
      await change.db
        .insertInto('received_bundles')
        .values({
          ...{ mirror, identity, site, sequence, previous },
          ...{ destination: bundle.to, signed_by: bundle.signedBy },
          ...{ created_at: bundle.createdAt.getTime(), received_at: bundle.receivedAt.getTime() },
          ...{ is_complete: Number(bundle.isComplete), manifest: manifest ?? null, waiting_versions: 0 },
        })
        .onConflict((conflict) =>
          conflict.columns(['mirror', 'identity']).doUpdateSet({
            signed_by: bundle.signedBy,
            ...(manifest === undefined ? {} : { manifest }),
          }),
        )
        .execute();
      await replaceAwaited(change, mirror, awaited);
      if (events.length > 0) await change.audit(...events);
    });
  }

  /**
   * Records the end of an import.
   * @param result.awaited the blobs of versions that still wait
   */
  async finish(
    mirror: string,
    identity: string,
    result: { isComplete: boolean; waitingVersions: number; awaited: readonly AwaitedBlob[] },
    event: AuditEvent,
  ): Promise<void> {
    await this.#database.change(async (change) => {
      if (result.isComplete) {
        await change.db
          .updateTable('received_bundles')
          .set({ is_complete: 1 })
          .where('mirror', '=', mirror)
          .where('identity', '=', identity)
          .execute();
      }
      await change.db
        .updateTable('received_bundles')
        .set({ waiting_versions: result.waitingVersions })
        .where('mirror', '=', mirror)
        .where('manifest', 'is not', null)
        .execute();
      await replaceAwaited(change, mirror, result.awaited);
      await change.audit(event);
    });
  }

  /** Forgets the bundles of a mirror: its versions are gone. */
  async forget(mirror: string): Promise<void> {
    await this.#database.change(async (change) => await forgetBundles(change, mirror));
  }

  /** Gives the bundles of a mirror to another one. The other one loses its own. */
  async handOver(mirror: string, to: string): Promise<void> {
    await this.#database.change(async (change) => {
      const { db } = change;
      const given = await db
        .selectFrom('received_bundles')
        .select('identity')
        .where('mirror', '=', mirror)
        .limit(1)
        .executeTakeFirst();
      if (given === undefined) return;
      await forgetBundles(change, to);
      for (const table of ['received_bundles', 'awaited_blobs'] as const) {
        await db.updateTable(table).set({ mirror: to }).where('mirror', '=', mirror).execute();
      }
    });
  }
}

async function forgetBundles({ db }: Change, mirror: string): Promise<void> {
  for (const table of ['received_bundles', 'awaited_blobs'] as const) {
    await db.deleteFrom(table).where('mirror', '=', mirror).execute();
  }
}

async function replaceAwaited(
  { db }: Change,
  mirror: string,
  awaited: readonly AwaitedBlob[],
): Promise<void> {
  await db.deleteFrom('awaited_blobs').where('mirror', '=', mirror).execute();
  if (awaited.length === 0) return;
  const columns = { mirror: 'text', digest: 'text', size: 'bigint', sequence: 'bigint' } as const;
  const rows = awaited.map(({ digest, size, sequence }) => ({ mirror, digest, size, sequence }));
  await sql`${insertRows('awaited_blobs', columns, rows)}`.execute(db);
}

function toBundle(
  row: Omit<Selectable<Tables['received_bundles']>, 'mirror' | 'manifest' | 'waiting_versions'>,
): ReceivedBundle {
  const { identity, site, sequence, previous } = row;
  return {
    ...{ identity, site, to: row.destination, sequence, previous, signedBy: row.signed_by },
    createdAt: new Date(row.created_at),
    receivedAt: new Date(row.received_at),
    isComplete: row.is_complete === 1,
  };
}
