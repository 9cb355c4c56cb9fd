import type { BlobStore } from '../blobs/blob-store.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { HeadwaterError } from '../errors.ts';
import { defined } from '../model/defined.ts';
import { batches } from './batches.ts';
import { fieldsOfRecord } from './store-record.ts';

/** The record of a store about the catalog that owns it (`store.json`). */
export interface OwnerRecord {
  /** The owner's identity. */
  catalog: string;
  /** The highest revision of the owner that the store has seen. */
  revision: number;
  /** Issued by the owner: a catalog that does not know it is older than the record, whatever its revision is. */
  mark: string;
  /** When the record was written, in ISO 8601. */
  at: string;
  /** Set when the store was adopted without a single blob, though the catalog names some. */
  adoptedEmpty?: boolean;
}

/** The reason why a catalog may not remove bytes from a store. */
type Obstacle = 'no-owner' | 'other-catalog' | 'older-catalog' | 'unreadable-record' | 'empty-store';

/** Whether a catalog owns a store. Only the owner may remove bytes from it. */
export type Ownership =
  | { owned: true; record: OwnerRecord }
  | { owned: false; obstacle: Obstacle; message: string; record?: OwnerRecord };

/** A store without a record may have this share of blobs that the catalog does not know, to become the catalog's. */
const strayShare = 0.2;

const adopt =
  'Until this is resolved, no blob is removed from the store. If this catalog is the right one, run "headwater storage adopt"; otherwise restore the right catalog.';

/**
 * Whether a catalog owns a store, according to the store's record. Changes nothing.
 * @throws HeadwaterError what the store failed with
 */
export async function ownershipOf(catalog: Catalog, store: BlobStore): Promise<Ownership> {
  const text = await store.readRecord('owner');
  const identity = await catalog.storage.identity();
  if (text === undefined) {
    return refused('no-owner', `The blob store does not record which catalog owns it. ${adopt}`);
  }
  const record = parseOwner(text);
  if (record === undefined) {
    return refused('unreadable-record', `The store's record of its catalog cannot be read. ${adopt}`);
  }
  if (record.catalog !== identity.catalog) {
    const owner = `catalog ${record.catalog} (revision ${record.revision}, ${record.at})`;
    const message = `The blob store belongs to ${owner}, not to this catalog, ${identity.catalog}. ${adopt}`;
    return refused('other-catalog', message, record);
  }
  if (!identity.marks.includes(record.mark) || identity.revision < record.revision) {
    const message = `The blob store has seen a newer state of this catalog (revision ${record.revision}, ${record.at}) than the catalog has now (revision ${identity.revision}): it was restored from a backup, or copied. ${adopt}`;
    return refused('older-catalog', message, record);
  }
  return { owned: true, record };
}

/**
 * As {@link ownershipOf}, and updates the store's record: called periodically and before bytes are removed. A store
 * without a record becomes the catalog's when it is empty, or when the catalog knows most of its blobs, as after an
 * upgrade from 0.1.0.
 * @throws HeadwaterError what the store or the catalog failed with
 */
export async function confirmOwnership(catalog: Catalog, store: BlobStore): Promise<Ownership> {
  const ownership = await ownershipOf(catalog, store);
  if (!ownership.owned) {
    if (ownership.obstacle !== 'no-owner') return ownership;
    const { blobs, unknown } = await compareBlobs(catalog, store);
    if (blobs === 0 && (await catalog.blobs.any())) return emptyStore();
    if (unknown > strayShare * blobs) {
      return {
        ...ownership,
        message: `${unknown} of its ${blobs} blobs are unknown to this catalog. ${ownership.message}`,
      };
    }
    return { owned: true, record: await renew(catalog, store, undefined) };
  }
  return { owned: true, record: await renew(catalog, store, ownership.record) };
}

/** Makes a catalog the owner of a store, regardless of the store's record. */
export async function adoptStore(catalog: Catalog, store: BlobStore): Promise<OwnerRecord> {
  const isEmpty = (await catalog.blobs.any()) && !(await hasBlobs(store));
  const ownership = await ownershipOf(catalog, store);
  const details = { before: ownership.owned ? ownership.record : (ownership.record ?? ownership.obstacle) };
  const { catalog: subject } = await catalog.storage.identity();
  const issued = await catalog.storage.issueMark({ action: 'storage.adopt', subject, details });
  return await write(store, { catalog: subject, ...issued, ...(isEmpty ? { adoptedEmpty: true } : {}) });
}

/**
 * Refuses a store without a single blob beside a catalog that names some: a file system that is not mounted, a wrong
 * bucket or a wrong prefix look so.
 * @throws HeadwaterError `unavailable`
 */
export async function assertNotEmpty(catalog: Catalog, store: BlobStore): Promise<void> {
  const problem = await emptinessOf(catalog, store);
  if (problem !== undefined) throw new HeadwaterError('unavailable', problem);
}

/** What {@link assertNotEmpty} says; undefined when the store has blobs, need not have any, or was adopted without. */
export async function emptinessOf(catalog: Catalog, store: BlobStore): Promise<string | undefined> {
  if (!(await catalog.blobs.any()) || (await hasBlobs(store))) return undefined;
  const text = await store.readRecord('owner');
  const record = text === undefined ? undefined : parseOwner(text);
  return record?.adoptedEmpty === true ? undefined : emptyStore().message;
}

/** How many blobs a store has, those that are set aside included, and how many of them the catalog does not know. */
async function compareBlobs(catalog: Catalog, store: BlobStore): Promise<{ blobs: number; unknown: number }> {
  const counts = { blobs: 0, unknown: 0 };
  for (const blobs of [store.list(), store.aside()]) {
    for await (const batch of batches(blobs)) {
      counts.blobs += batch.length;
      counts.unknown += (await catalog.blobs.unknown(batch.map(({ digest }) => digest))).size;
    }
  }
  return counts;
}

async function hasBlobs(store: BlobStore): Promise<boolean> {
  for await (const _ of store.list()) return true;
  for await (const _ of store.aside()) return true;
  return false;
}

/**
 * Updates the record. A mark that no record has yet is used before another one is issued: a store that fails for long
 * must not make the catalog forget the mark that the store has.
 */
async function renew(
  catalog: Catalog,
  store: BlobStore,
  before: OwnerRecord | undefined,
): Promise<OwnerRecord> {
  const { catalog: name, marks, revision } = await catalog.storage.identity();
  const [newest] = marks;
  const isWritten = newest === undefined || before === undefined || newest === before.mark;
  if (isWritten && revision === before?.revision) return before;
  const next = isWritten ? await catalog.storage.issueMark() : { mark: newest, revision };
  const isStillEmpty = before?.adoptedEmpty === true && !(await hasBlobs(store));
  return await write(store, { catalog: name, ...next, ...(isStillEmpty ? { adoptedEmpty: true } : {}) });
}

async function write(store: BlobStore, owner: Omit<OwnerRecord, 'at'>): Promise<OwnerRecord> {
  const record = { ...owner, at: new Date().toISOString() };
  await store.writeRecord('owner', `${JSON.stringify(record)}\n`);
  return record;
}

function parseOwner(text: string): OwnerRecord | undefined {
  const { catalog, revision, mark, at, adoptedEmpty } = fieldsOfRecord<OwnerRecord>(text) ?? {};
  if (typeof catalog !== 'string' || typeof mark !== 'string' || typeof at !== 'string') return undefined;
  if (typeof revision !== 'number') return undefined;
  return { catalog, revision, mark, at, ...(adoptedEmpty === true ? { adoptedEmpty } : {}) };
}

function emptyStore(): Ownership & { owned: false } {
  return refused(
    'empty-store',
    'The blob store is empty, but the catalog names blobs in it: check that the file system is mounted, and dataDir or storage.bucket and storage.prefix. If the blobs are lost for good, run "headwater storage adopt" and publish again.',
  );
}

function refused(obstacle: Obstacle, message: string, record?: OwnerRecord): Ownership & { owned: false } {
  return { owned: false, obstacle, message, ...defined({ record }) };
}
