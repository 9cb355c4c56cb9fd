import { hash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { ExpiringMap } from '../../async/expiring-map.ts';
import type { BlobStat, BlobStore } from '../../blobs/blob-store.ts';
import { assertDigest } from '../../blobs/damaged-blob.ts';
import type { Catalog } from '../../catalog/catalog.ts';
import { documentContent } from '../../catalog/evidence/document-rows.ts';
import type { BlobRecord } from '../../catalog/products/blobs.ts';
import { HeadwaterError, LimitError } from '../../errors.ts';
import { type Digest, parseDigest } from '../../model/digest.ts';
import { contentOf, generatedContent } from '../blob-content.ts';
import type { ExaminedFile } from '../intake/intake-types.ts';
import type { MetadataFile, StoredFile } from './destination.ts';

/** The largest metadata tarball that is read into memory for fingerprints, in bytes. Most tarballs have a few KiB. */
const maxMetadataSize = 64 * 1024 * 1024;

/**
 * For how long a stored blob is not looked up again, in milliseconds. A commit looks each blob up in the catalog, so
 * that a blob that was collected meanwhile is noticed.
 */
const recentBlobLifetime = 5000;

/** A blob in the store, and its content. */
export interface Recording {
  name: string;
  examined: ExaminedFile;
  metadata: MetadataFile | undefined;
}

/** A blob that was just stored. */
interface RecentBlob {
  kept: StoredFile;
  /** Its fingerprint as a root of a metadata item. */
  fingerprint?: { metadata: Digest; fingerprint: Digest };
}

/** The blobs of a store that an actor may use, and the catalog's records of them. */
export class StoredBlobs {
  readonly #catalog: Catalog;
  readonly #store: BlobStore;
  readonly #recent = new ExpiringMap<Digest, RecentBlob>(recentBlobLifetime);

  constructor(catalog: Catalog, store: BlobStore) {
    this.#catalog = catalog;
    this.#store = store;
  }

  /** Finds a blob that the catalog knows, that is completely stored, and that the actor may use. */
  async find(digest: Digest): Promise<BlobRecord | undefined> {
    const record = await this.#catalog.blobs.find(digest);
    // What clients of other kinds download, and the documents of upstreams, are no files to publish.
    if (record === undefined || record.content === documentContent) return undefined;
    if (record.content === generatedContent) return undefined;
    if ((await this.#stat(digest))?.size !== record.size) return undefined;
    return (await this.#catalog.blobs.mayUse(digest)) ? record : undefined;
  }

  /**
   * Uses a stored blob again, as a file of another name. Garbage collection then counts it as new.
   * @throws HeadwaterError `not-found` where {@link find} finds nothing
   */
  async use(name: string, digest: Digest): Promise<StoredFile> {
    const recent = this.#recent.get(digest);
    if (recent !== undefined) return { ...recent.kept, name };
    const record = await this.find(digest);
    if (record === undefined || !(await this.#catalog.blobs.touch(digest))) {
      // An actor that may not use it gets the same error as for a blob that does not exist.
      throw new HeadwaterError(
        'not-found',
        `blob sha256:${digest} (${name}) is not stored here: upload it first`,
      );
    }
    return { name, digest, size: record.size, content: contentOf(record) };
  }

  /** Records the content of stored blobs, and their fingerprints with their metadata. */
  async record(blobs: readonly Recording[]): Promise<StoredFile[]> {
    if (blobs.length === 0) return [];
    const storedAt = new Date();
    const records = blobs.map(({ name, examined: { digest, size, content, fingerprint }, metadata }) => ({
      kept: { name, digest, size, content },
      ...(fingerprint === undefined || metadata === undefined
        ? {}
        : { fingerprint: { metadata: metadata.digest, fingerprint } }),
    }));
    const known = await this.#catalog.blobs.record(
      records.map(({ kept: { digest, size, content }, ...fingerprint }) => ({
        digest,
        size,
        content: JSON.stringify(content),
        ...fingerprint,
      })),
      storedAt,
    );
    for (const record of records) this.#recent.set(record.kept.digest, record);
    return records.map(({ kept }) => ({ ...kept, ...(known.has(kept.digest) ? {} : { storedAt }) }));
  }

  /** Withdraws a blob that a failed publish stored, unless it is in use by now. */
  async discard({ digest, storedAt }: StoredFile): Promise<void> {
    if (storedAt === undefined) return;
    const after = new Date(storedAt.getTime() + 1);
    // A blob that the store had before stays: it may belong to another catalog, or to a later state of this one that
    // may be restored.
    await this.#catalog.blobs.collect(digest, after, () => this.#store.withdraw(digest));
  }

  /**
   * Checks, in the transaction that names a blob, that it is stored.
   * @param isRecorded whether the catalog is known to have a record of it: it has none of a collected blob
   * @throws HeadwaterError `unavailable`
   */
  async assertStored(blob: { digest: string; size: number }, isRecorded: boolean): Promise<void> {
    const { size } = blob;
    const digest = parseDigest(blob.digest);
    // Garbage collection takes the bytes of a blob and its record in one transaction.
    if (isRecorded && this.#recent.get(digest)?.kept.size === size) return;
    const stat = await this.#stat(digest);
    if (stat?.size === size) return;
    throw new HeadwaterError(
      'unavailable',
      `blob sha256:${digest} is ${stat === undefined ? 'no longer' : 'not whole'} in the store: publish again`,
    );
  }

  /** The fingerprint of a root that was computed before, if it was. */
  async fingerprint(metadata: Digest, root: Digest): Promise<Digest | undefined> {
    const recent = this.#recent.get(root)?.fingerprint;
    if (recent?.metadata === metadata) return recent.fingerprint;
    const known = await this.#catalog.fingerprints.find(metadata, root);
    return known === undefined ? undefined : parseDigest(known);
  }

  /**
   * The bytes of a metadata item.
   * @throws LimitError when it is too large for memory; DamagedBlobError when it is not what it was
   */
  async load({ name, size, digest, bytes }: MetadataFile): Promise<Uint8Array> {
    if (bytes !== undefined) return bytes;
    if (size > maxMetadataSize) {
      throw new LimitError(
        'metadataSize',
        'too-large',
        `${name}: a metadata tarball of ${size} bytes; at most ${maxMetadataSize}`,
      );
    }
    const read = await buffer(await this.#store.read(digest));
    assertDigest(digest, hash('sha256', read));
    return read;
  }

  /** Looks up a blob that the catalog knows; a blob that was set aside is restored. */
  async #stat(digest: Digest): Promise<BlobStat | undefined> {
    const stat = await this.#store.stat(digest);
    if (stat !== undefined || !(await this.#store.bringBack(digest))) return stat;
    return await this.#store.stat(digest);
  }
}
