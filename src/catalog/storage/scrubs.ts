import * as z from 'zod';
import { jsonColumn } from '../database/checked-column.ts';
import type { Database } from '../database/database.ts';
import type { Lease, LeaseRecord } from '../held-lease.ts';
import { type LostRecord, lostStates } from './lost-blobs.ts';

/** How many findings of each kind are kept with a scrub. */
export const maxFindingsKept = 100;

const version = { stream: z.string(), product: z.string(), serial: z.string(), owner: z.string() };

const lostBlob = z.looseObject({
  digest: z.string(),
  size: z.number(),
  state: z.enum(lostStates),
  problem: z.string(),
  versions: z.array(z.looseObject(version)),
});

const wrongImage = z.looseObject({ ...version, claimed: z.string(), computed: z.string() });

const scrubRound: z.ZodType<ScrubRound> = z.looseObject({
  startedAt: z.string(),
  finishedAt: z.string().exactOptional(),
  requested: z.boolean().exactOptional(),
  after: z.string(),
  blobs: z.number(),
  bytes: z.number(),
  reading: z.number().exactOptional(),
  damaged: z.number(),
  missing: z.number(),
  fingerprints: z.number(),
  lost: z.array(lostBlob),
  wrong: z.array(wrongImage),
  problem: z.string().exactOptional(),
});

interface NamedVersion {
  stream: string;
  product: string;
  serial: string;
  owner: string;
}

/** A scrub of the blob store: one read of all blobs. */
export interface ScrubRound {
  /** When it began, in ISO 8601. It identifies the scrub. */
  startedAt: string;
  /** When it was completed, in ISO 8601. */
  finishedAt?: string;
  /** Whether an administrator wants it, so that it also continues where scrubs are turned off. */
  requested?: boolean;
  /** The digest of the last blob that was read: they are read in the order of their digests. */
  after: string;
  /** Blobs that were read, and their bytes. */
  blobs: number;
  bytes: number;
  /** Bytes of the next blob that were read, when a large one is being read. */
  reading?: number;
  /** Blobs that it found damaged or missing. */
  damaged: number;
  missing: number;
  /** Images that were listed under a wrong fingerprint. */
  fingerprints: number;
  /** The first of these blobs, with the first versions that need them. */
  lost: (LostRecord & { versions: NamedVersion[] })[];
  /** The first of these images, with both fingerprints. */
  wrong: (NamedVersion & { claimed: string; computed: string })[];
  /** Why it does not continue now, in words. */
  problem?: string;
}

/** The scrubs that the catalog knows. */
export interface ScrubState {
  /** The one that is running or was interrupted. */
  round: ScrubRound | undefined;
  /** The last one that was completed. */
  last: ScrubRound | undefined;
}

const nothingRead = {
  after: '',
  blobs: 0,
  bytes: 0,
  damaged: 0,
  missing: 0,
  fingerprints: 0,
  lost: [],
  wrong: [],
};

const readRound = jsonColumn('scrub.round', scrubRound);
const readLast = jsonColumn('scrub.last', scrubRound);

/** The id of the only row of the table. */
const theRow = 1;

/** The records of scrubs of the blob store. The lease is held by the process that scrubs. */
export class Scrubs implements LeaseRecord {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Both scrubs, and whether a process scrubs now. */
  async state(): Promise<ScrubState & { running: boolean }> {
    const row = await this.#row();
    const isHeld = (row.lease_expires_at ?? 0) > Date.now();
    return {
      round: readRound(row.round, theRow),
      last: readLast(row.last, theRow),
      running: row.lease_holder !== null && isHeld,
    };
  }

  /**
   * Begins a scrub, or continues the one that is not finished yet.
   * @param may whether that may be done, given both scrubs of {@link state}; `requested` if an administrator wants it
   * @returns the scrub to carry out; undefined when that may not be done
   */
  async begin(
    may: 'requested' | ((state: ScrubState) => boolean),
    now = new Date(),
  ): Promise<ScrubRound | undefined> {
    return await this.#database.change(async (change) => {
      const row = await change.db.selectFrom('scrub').select(['round', 'last']).executeTakeFirstOrThrow();
      const current = readRound(row.round, theRow);
      if (may !== 'requested' && !may({ round: current, last: readLast(row.last, theRow) })) return undefined;
      const round = {
        ...(current ?? { startedAt: now.toISOString(), ...nothingRead }),
        ...(may === 'requested' ? { requested: true } : {}),
      };
      await change.db
        .updateTable('scrub')
        .set({ round: JSON.stringify(round) })
        .execute();
      return round;
    });
  }

  /** Records how far a scrub has come. Only the holder of the lease does. */
  async save(round: ScrubRound): Promise<void> {
    const values = { round: JSON.stringify(round) };
    await this.#database.note((db) => db.updateTable('scrub').set(values).execute());
  }

  /** Records that a scrub was completed. Only the holder of the lease does. */
  async finish(round: ScrubRound, now = new Date()): Promise<ScrubRound> {
    const { problem, ...rest } = round;
    const last = { ...rest, finishedAt: now.toISOString() };
    await this.#database.change(async (change) => {
      await change.db
        .updateTable('scrub')
        .set({ round: null, last: JSON.stringify(last) })
        .execute();
    });
    return last;
  }

  async lease(): Promise<Lease | undefined> {
    return leaseOf(await this.#row());
  }

  async acquire(lease: Lease, options: { deadHolder?: string } = {}): Promise<Lease | undefined> {
    return await this.#database.change(async (change) => {
      const row = await change.db.selectFrom('scrub').selectAll().executeTakeFirstOrThrow();
      const current = leaseOf(row);
      const isFree =
        current === undefined ||
        current.holder === options.deadHolder ||
        current.expiresAt.getTime() <= Date.now();
      if (!isFree) return current;
      const values = { lease_holder: lease.holder, lease_expires_at: lease.expiresAt.getTime() };
      await change.db.updateTable('scrub').set(values).execute();
      return undefined;
    });
  }

  async renew(lease: Lease): Promise<boolean> {
    return await this.#database.note(async (db) => {
      const { numUpdatedRows } = await db
        .updateTable('scrub')
        .set({ lease_expires_at: lease.expiresAt.getTime() })
        .where('lease_holder', '=', lease.holder)
        .executeTakeFirst();
      return numUpdatedRows > 0n;
    });
  }

  async release(holder: string): Promise<void> {
    await this.#database.change(async (change) => {
      await change.db
        .updateTable('scrub')
        .set({ lease_holder: null, lease_expires_at: null })
        .where('lease_holder', '=', holder)
        .execute();
    });
  }

  async #row() {
    return await this.#database.reads.selectFrom('scrub').selectAll().executeTakeFirstOrThrow();
  }
}

function leaseOf(row: { lease_holder: string | null; lease_expires_at: number | null }): Lease | undefined {
  if (row.lease_holder === null || row.lease_expires_at === null) return undefined;
  return { holder: row.lease_holder, expiresAt: new Date(row.lease_expires_at) };
}
