import type { Readable } from 'node:stream';
import { Semaphore } from '../../async/semaphore.ts';
import { HeadwaterError } from '../../errors.ts';
import { abandonedAfter, isAbandoned, processName } from '../../files/process-name.ts';
import { type Digest, parseDigest } from '../../model/digest.ts';
import { asideRoot, blobKey, blobRoot, digestOfKey } from '../blob-key.ts';
import type {
  AsideBlob,
  AsideReason,
  BlobStat,
  BlobStore,
  ByteRange,
  Expected,
  Purpose,
  RecordCondition,
  StoreRecord,
} from '../blob-store.ts';
import { RecentlyWritten } from '../directory/recently-written.ts';
import { Incoming } from '../incoming.ts';
import { S3Aside } from './s3-aside.ts';
import { S3Bucket, type S3Object } from './s3-bucket.ts';
import { S3Client } from './s3-client.ts';
import { copyObject } from './s3-copy.ts';
import { completeOptions, type S3Options, type S3Settings } from './s3-options.ts';
import { readBlob } from './s3-read-blob.ts';
import { S3Records } from './s3-records.ts';
import { S3Sender, type Sent } from './s3-sender.ts';
import { S3Uploads } from './s3-uploads.ts';

/**
 * Blobs in a bucket of an S3 service: `<prefix>blobs/sha256/ab/<hex>`. Several processes, on several machines, may
 * use it at once.
 *
 * A blob of more than one part, whose digest is known only after its last byte, is sent to `<prefix>staging/` and
 * copied to its key within the service.
 */
export class S3Store implements BlobStore {
  readonly #settings: S3Settings;
  readonly #client: S3Client;
  readonly #bucket: S3Bucket;
  readonly #uploads: S3Uploads;
  readonly #records: S3Records;
  readonly #aside: S3Aside;
  /** Parts of all uploads that are sent at the same time. */
  readonly #parallel: Semaphore;
  readonly #written = new RecentlyWritten();

  /** @throws HeadwaterError `invalid`, naming the setting */
  constructor(options: S3Options) {
    this.#settings = completeOptions(options);
    this.#client = new S3Client(this.#settings);
    this.#bucket = new S3Bucket(this.#client);
    this.#uploads = new S3Uploads(this.#client);
    this.#records = new S3Records(this.#bucket, this.#client);
    this.#aside = new S3Aside(this.#bucket, this.#uploads, this.#settings);
    this.#parallel = new Semaphore(this.#settings.parallel);
  }

  async open({ create = true }: { create?: boolean } = {}): Promise<void> {
    const { prefix, createBucket } = this.#settings;
    const staging = `${prefix}staging/`;
    await this.#bucket.reach(prefix, { create: create && createBucket });
    for await (const { key, upload, started } of this.#uploads.list(staging)) {
      if (await isAbandoned(key.slice(staging.length), started)) await this.#uploads.abort(key, upload);
    }
    for await (const { key, modified } of this.#bucket.objects(staging)) {
      if (await isAbandoned(key.slice(staging.length), modified)) await this.#bucket.remove(key);
    }
    // Copies in pieces, to a blob's own key, do not tell who makes them: their age decides.
    for (const root of [blobRoot, asideRoot]) {
      for await (const { key, upload, started } of this.#uploads.list(prefix + root)) {
        if (Date.now() - started.getTime() > abandonedAfter) await this.#uploads.abort(key, upload);
      }
    }
  }

  async stat(digest: Digest): Promise<BlobStat | undefined> {
    const object = await this.#bucket.find(this.#key(digest));
    return object === undefined ? undefined : describe(digest, object);
  }

  async read(digest: Digest, range?: ByteRange): Promise<Readable> {
    const blob = { digest, key: this.#key(digest) };
    return await readBlob({ bucket: this.#bucket, client: this.#client }, blob, range);
  }

  async write(source: AsyncIterable<Uint8Array>, expected: Expected): Promise<void> {
    const incoming = new Incoming(source, expected.size);
    const known = typeof expected.digest === 'string' ? expected.digest : undefined;
    const digest = Promise.resolve(expected.digest);
    // When the source fails, nothing awaits the digest any more.
    digest.catch(() => undefined);
    try {
      const mayStay = known !== undefined && expected.verified !== true;
      if (mayStay && (await this.#isPresent(known, expected.size))) return;
      const { partSize } = this.#settings;
      const sender = new S3Sender(this.#uploads, this.#parallel, { partSize, size: expected.size });
      const sent = await sender.send(incoming, () => this.#stagingKey());
      if (sent.kind === 'whole') await this.#put(sent, await digest);
      else await this.#complete(sent, digest);
    } finally {
      incoming.leave();
    }
  }

  async remove(digest: Digest): Promise<void> {
    await this.#bucket.remove(this.#key(digest));
  }

  async withdraw(digest: Digest): Promise<void> {
    if (this.#written.take(digest)) await this.remove(digest);
  }

  async setAside(digest: Digest, reason: AsideReason): Promise<void> {
    await this.#aside.put(this.#key(digest), digest, reason);
  }

  aside(): AsyncIterable<AsideBlob> {
    return this.#aside.list();
  }

  async bringBack(digest: Digest): Promise<boolean> {
    return await this.#aside.take(digest, this.#key(digest));
  }

  async removeAside({ digest, reason }: Pick<AsideBlob, 'digest' | 'reason'>): Promise<void> {
    await this.#aside.remove(digest, reason);
  }

  async readRecord(record: StoreRecord): Promise<string | undefined> {
    return await this.#records.read(record);
  }

  async writeRecord(record: StoreRecord, text: string, condition?: RecordCondition): Promise<void> {
    await this.#records.write(record, text, condition);
  }

  async *list(): AsyncIterable<BlobStat> {
    const { prefix } = this.#settings;
    for await (const object of this.#bucket.objects(prefix + blobRoot)) {
      const digest = digestOfKey(object.key.slice(prefix.length));
      if (digest !== undefined) yield describe(digest, object);
    }
  }

  async presign(
    digest: Digest,
    options: { expiresInSeconds: number; method: 'GET' | 'HEAD' },
  ): Promise<string> {
    return await this.#bucket.presign(options.method, this.#key(digest), options.expiresInSeconds);
  }

  async check(purpose: Purpose = 'write'): Promise<void> {
    try {
      // This blob does not exist, but only a readable bucket can say so.
      if (purpose === 'read') await this.stat(parseDigest('0'.repeat(64)));
      else await this.#bucket.probe(await this.#stagingKey());
    } catch (error) {
      if (!(error instanceof HeadwaterError) || error.kind === 'unavailable') throw error;
      throw new HeadwaterError('unavailable', error.message, { cause: error });
    }
  }

  async close(): Promise<void> {
    this.#client.close();
  }

  #key(digest: Digest): string {
    return this.#settings.prefix + blobKey(digest);
  }

  /**
   * Where an upload in parts goes, also of a blob whose key is known: an upload tells nothing but its key, and what a
   * killed process left must be told from what a living one still sends.
   */
  async #stagingKey(): Promise<string> {
    return `${this.#settings.prefix}staging/${await processName()}`;
  }

  /** Whether there is a blob of `size` bytes (of any size when undefined). */
  async #isPresent(digest: Digest, size: number | undefined): Promise<boolean> {
    const object = await this.#bucket.head(this.#key(digest));
    return object !== undefined && (size === undefined || object.size === size);
  }

  async #put(sent: Extract<Sent, { kind: 'whole' }>, digest: Digest): Promise<void> {
    const isNew = !(await this.#isPresent(digest, undefined));
    await this.#bucket.put(this.#key(digest), sent.bytes, sent.sha256);
    await this.#assertWritten(digest, sent.size);
    if (isNew) this.#written.add(digest);
  }

  async #complete(sent: Extract<Sent, { kind: 'parts' }>, promised: Promise<Digest>): Promise<void> {
    const { key, upload, parts, size } = sent;
    let completed = false;
    try {
      const digest = await promised;
      const isNew = !(await this.#isPresent(digest, undefined));
      await this.#uploads.complete(key, upload, parts, size);
      completed = true;
      const services = { bucket: this.#bucket, uploads: this.#uploads };
      await copyObject(services, key, this.#key(digest), { size, limit: this.#settings.copyLimit });
      await this.#assertWritten(digest, size);
      if (isNew) this.#written.add(digest);
    } finally {
      await this.#tidy(key, completed ? undefined : upload);
    }
  }

  /** Removes what an upload leaves. Should that fail, the next start of a store does it. */
  async #tidy(key: string, upload: string | undefined): Promise<void> {
    const tidied = upload === undefined ? this.#bucket.remove(key) : this.#uploads.abort(key, upload);
    await tidied.catch(() => undefined);
  }

  async #assertWritten(digest: Digest, size: number): Promise<void> {
    const object = await this.#bucket.head(this.#key(digest));
    if (object?.size === size) return;
    const seen = object === undefined ? 'gone' : `${object.size} bytes long`;
    throw new HeadwaterError(
      'unavailable',
      `blob sha256:${digest}: ${size} bytes were written, but it is ${seen}: write it again`,
    );
  }
}

function describe(digest: Digest, { size, modified }: S3Object): BlobStat {
  return { digest, size, modified };
}
