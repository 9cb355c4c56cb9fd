import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type {
  AsideBlob,
  AsideReason,
  BlobStat,
  BlobStore,
  Expected,
  RecordCondition,
  StoreRecord,
} from '../../src/blobs/blob-store.ts';
import { HeadwaterError } from '../../src/errors.ts';
import type { Digest } from '../../src/model/digest.ts';

interface Kept {
  bytes: Buffer;
  modified: Date;
}

/** A blob store in memory, whose clock is `Date`: for tests in which days pass. */
export class MemoryStore implements BlobStore {
  readonly blobs = new Map<Digest, Kept>();
  readonly setAsideBlobs = new Map<Digest, Kept & { reason: AsideReason }>();
  readonly records = new Map<StoreRecord, string>();
  readonly #written = new Set<Digest>();

  async open(): Promise<void> {}

  async stat(digest: Digest): Promise<BlobStat | undefined> {
    const kept = this.blobs.get(digest);
    return kept === undefined ? undefined : { digest, size: kept.bytes.length, modified: kept.modified };
  }

  async read(digest: Digest): Promise<Readable> {
    const kept = this.blobs.get(digest);
    if (kept === undefined)
      throw new HeadwaterError('not-found', `blob sha256:${digest} is not in the store`);
    return Readable.from([kept.bytes]);
  }

  async write(source: AsyncIterable<Uint8Array>, expected: Expected): Promise<void> {
    const bytes = await buffer(Readable.from(source));
    const digest = await expected.digest;
    if (!this.blobs.has(digest)) this.#written.add(digest);
    this.blobs.set(digest, { bytes, modified: new Date() });
  }

  async remove(digest: Digest): Promise<void> {
    this.blobs.delete(digest);
  }

  async withdraw(digest: Digest): Promise<void> {
    if (this.#written.delete(digest)) await this.remove(digest);
  }

  async *list(): AsyncIterable<BlobStat> {
    for (const [digest, { bytes, modified }] of [...this.blobs])
      yield { digest, size: bytes.length, modified };
  }

  async setAside(digest: Digest, reason: AsideReason): Promise<void> {
    const kept = this.blobs.get(digest);
    if (kept === undefined) return;
    this.setAsideBlobs.set(digest, { ...kept, reason, modified: new Date() });
    this.blobs.delete(digest);
  }

  async *aside(): AsyncIterable<AsideBlob> {
    for (const [digest, { bytes, modified, reason }] of [...this.setAsideBlobs])
      yield { digest, size: bytes.length, modified, reason };
  }

  async bringBack(digest: Digest): Promise<boolean> {
    const kept = this.setAsideBlobs.get(digest);
    if (kept === undefined || kept.reason === 'damaged') return false;
    this.blobs.set(digest, { bytes: kept.bytes, modified: new Date() });
    return this.setAsideBlobs.delete(digest);
  }

  async removeAside({ digest }: Pick<AsideBlob, 'digest'>): Promise<void> {
    this.setAsideBlobs.delete(digest);
  }

  async readRecord(record: StoreRecord): Promise<string | undefined> {
    return this.records.get(record);
  }

  async writeRecord(record: StoreRecord, text: string, condition?: RecordCondition): Promise<void> {
    if (condition !== undefined && this.records.get(record) !== condition.replaces)
      throw new HeadwaterError('conflict', 'another one');
    this.records.set(record, text);
  }

  async check(): Promise<void> {}

  async close(): Promise<void> {}
}
