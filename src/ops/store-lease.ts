import { hostname } from 'node:os';
import type { BlobStore, RecordCondition } from '../blobs/blob-store.ts';
import { HeadwaterError } from '../errors.ts';
import { identityOfFile, isAbandoned, processName } from '../files/process-name.ts';
import { fieldsOfRecord } from './store-record.ts';

/** How long a lease lasts that its server does not renew, and how often servers renew it, in milliseconds. */
const leaseTime = 180_000;
export const renewInterval = 60_000;

/** The record of a store about the server that uses it (`lease.json`). */
interface LeaseRecord {
  /** The catalog file that it uses: servers with the same one may share the store. */
  catalogFile: string;
  /** The process. */
  holder: string;
  host: string;
  /** The time of its last renewal, in milliseconds since 1970. */
  renewedAt: number;
}

/** How often a server tries to renew the lease that others renew at the same moment. */
const renewAttempts = 5;

/** The lease as it was read. */
interface LeaseText {
  text: string | undefined;
  record: LeaseRecord | undefined;
}

/** The right to run servers on a store, which one catalog file has at a time. */
export class StoreLease {
  readonly #store: BlobStore;
  readonly #record: Omit<LeaseRecord, 'renewedAt'>;

  private constructor(store: BlobStore, record: Omit<LeaseRecord, 'renewedAt'>) {
    this.#store = store;
    this.#record = record;
  }

  /**
   * Checks whether the lease is free; {@link renew} takes it. The lease of a process of this machine that has ended is
   * free at once, any other when it was not renewed for three minutes.
   * @param catalogFile the file of the catalog
   * @throws HeadwaterError `conflict` while a server with another catalog uses the store
   */
  static async open(store: BlobStore, catalogFile: string): Promise<StoreLease> {
    const record = {
      catalogFile: await identityOfFile(catalogFile),
      holder: await processName(),
      host: hostname(),
    };
    const lease = new StoreLease(store, record);
    const other = await lease.#otherOf(await lease.#read());
    if (other === undefined) return lease;
    const seconds = Math.max(0, Math.round((Date.now() - other.renewedAt) / 1000));
    throw new HeadwaterError(
      'conflict',
      `the blob store is in use by a server on ${other.host} with another catalog (last seen ${seconds} s ago): two servers may share a store only with one catalog. Stop that server, or give this one another store: dataDir, or storage.bucket and storage.prefix. A server that was killed is forgotten after ${leaseTime / 60_000} minutes`,
    );
  }

  /**
   * Records that the server uses the store. Of servers that take a free lease at the same moment, one gets it, if the
   * store can tell.
   * @returns the host of a server with another catalog that has the lease; nothing is written then
   * @throws HeadwaterError what the store failed with
   */
  async renew(): Promise<string | undefined> {
    let before: LeaseText | undefined;
    for (let attempt = 1; ; attempt++) {
      const latest = await this.#read();
      const other = await this.#otherOf(latest);
      if (other !== undefined) return other.host;
      // Refused although it did not change: the service interprets the condition in another way.
      const isMisunderstood = before !== undefined && before.text === latest.text;
      const condition = isMisunderstood ? undefined : { replaces: latest.text };
      try {
        await this.#write({ ...this.#record, renewedAt: Date.now() }, condition);
        return undefined;
      } catch (error) {
        const isOvertaken = error instanceof HeadwaterError && error.kind === 'conflict';
        if (!isOvertaken || attempt === renewAttempts) throw error;
        before = latest;
      }
    }
  }

  /** Releases the lease, unless another server has renewed it. */
  async release(): Promise<void> {
    if ((await this.#read()).record?.holder !== this.#record.holder) return;
    await this.#write({ ...this.#record, renewedAt: 0 });
  }

  /** The lease of a server with another catalog. */
  async #otherOf({ record }: LeaseText): Promise<LeaseRecord | undefined> {
    if (record === undefined || record.catalogFile === this.#record.catalogFile) return undefined;
    if (Date.now() - record.renewedAt > leaseTime || (await isAbandoned(record.holder, new Date())))
      return undefined;
    return record;
  }

  async #read(): Promise<LeaseText> {
    const text = await this.#store.readRecord('lease');
    return { text, record: text === undefined ? undefined : parseLease(text) };
  }

  async #write(record: LeaseRecord, condition?: RecordCondition): Promise<void> {
    await this.#store.writeRecord('lease', `${JSON.stringify(record)}\n`, condition);
  }
}

/** A record that cannot be read is a free lease: the next holder overwrites it. */
function parseLease(text: string): LeaseRecord | undefined {
  const { catalogFile, holder, host, renewedAt } = fieldsOfRecord<LeaseRecord>(text) ?? {};
  if (typeof catalogFile !== 'string' || typeof holder !== 'string') return undefined;
  if (typeof host !== 'string' || typeof renewedAt !== 'number') return undefined;
  return { catalogFile, holder, host, renewedAt };
}
