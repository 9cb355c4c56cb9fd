import type { Readable } from 'node:stream';
import type { Digest } from '../model/digest.ts';

/**
 * The bytes of a blob from `start` to `end`, both included, counted from 0 (RFC 9110, section 14.1.2). An end beyond
 * the last byte means the last byte; a start beyond it is an error of kind `invalid`.
 */
export interface ByteRange {
  start: number;
  end: number;
  /** The known size of the whole blob, in bytes: with any other size it is damaged, and nothing of it is read. */
  of?: number;
}

/** A blob as its store knows it. */
export interface BlobStat {
  digest: Digest;
  /** Bytes. */
  size: number;
  /** When the store received it last. */
  modified: Date;
}

/**
 * Why a blob was set aside: `removed` when the catalog knew it and no version contains it any more, `unknown` when the
 * catalog did not know it, `damaged` when its bytes were not those of its digest.
 */
export type AsideReason = 'removed' | 'unknown' | 'damaged';

/** A blob that was set aside; `modified` is when that was. */
export interface AsideBlob extends BlobStat {
  reason: AsideReason;
}

/** Small documents that a store keeps beside its blobs: which catalog owns it, and which server uses it. */
export type StoreRecord = 'owner' | 'lease';

/** The condition for replacing a document. */
export interface RecordCondition {
  /** The text that it has; undefined when there is none. */
  replaces: string | undefined;
}

/** The announcement of a blob's sender. */
export interface Expected {
  /** A promise when the file is hashed on its way in: the digest is known only once the bytes have passed. */
  digest: Digest | Promise<Digest>;
  /** Bytes, when known. It helps a store to plan; a different number of bytes is refused. */
  size?: number;
  /** The bytes were read and have the digest: they replace an existing blob, which may be damaged. */
  verified?: true;
}

/** Places for blobs on their way into a store. */
export interface StagedBlobs {
  /** The directory for files with their bytes. */
  paths: readonly string[];
  /** Stores files as blobs, completely and durably. The caller vouches for the digests. */
  keep(files: readonly { path: string; digest: Digest }[]): Promise<void>;
  /** Removes the files that were not stored. Must always be called. */
  discard(): Promise<void>;
}

/** The operations for which a store must be ready. */
export type Purpose = 'read' | 'write';

/**
 * A store of bytes, named by their SHA-256. One suite of tests runs over every store (`test/blobs/store-suite.ts`).
 *
 * Errors are HeadwaterErrors: `not-found` (no such blob), `unavailable` (the store cannot be reached or failed; a
 * DamagedBlobError when a blob does not have its known size), `no-space`, `invalid` (not the expected size).
 */
export interface BlobStore {
  /**
   * Prepares the store and removes writes that a killed process abandoned. Call once before the rest.
   * @param options.create false: a store that does not exist is an error (`unavailable`), not a new store
   */
  open(options?: { create?: boolean }): Promise<void>;

  /** Size and age of a blob, or undefined when there is none. Reads no bytes. */
  stat(digest: Digest): Promise<BlobStat | undefined>;

  /**
   * The bytes of a blob, whole or a range of it. Resolves once the store has answered, so that a missing blob is known
   * before anything is sent; a failure in between ends the stream with an error, never early.
   */
  read(digest: Digest, range?: ByteRange): Promise<Readable>;

  /**
   * Stores a blob. Nothing of it is visible until it is complete and durable; when the source fails, or when the
   * promised digest is rejected, nothing stays. Does not hash: the caller has the bytes hashed as they pass, and
   * resolves `expected.digest` after the last byte with what they were (or rejects it). Writing a blob that exists is a
   * success (it may renew its age). When its digest was known beforehand, the source may be left before its end, and no
   * byte changes; otherwise, and when the bytes are `verified`, they replace what is there. A chunk must not be changed
   * before the source has handed over {@link chunkLifetime} more bytes.
   */
  write(source: AsyncIterable<Uint8Array>, expected: Expected): Promise<void>;

  /**
   * Takes a local file over without copying its bytes if the store can (a link on the same file system); the file stays
   * where it is. The caller vouches for the digest: a blob with other bytes, which is damaged, is replaced. Returns
   * false where the store cannot.
   */
  adopt?(path: string, digest: Digest): Promise<boolean>;

  /**
   * Directories in which other code, such as threads, writes the bytes of blobs that the store then takes over without
   * copying. Absent where the store cannot.
   */
  stage?(count: number): Promise<StagedBlobs>;

  /** Removes a blob; one that does not exist is a success. */
  remove(digest: Digest): Promise<void>;

  /**
   * Removes a blob that this object has written and that the store did not have before. Any other blob stays: another
   * catalog may need it.
   */
  withdraw(digest: Digest): Promise<void>;

  /** Every complete blob that is not set aside, in no particular order. */
  list(): AsyncIterable<BlobStat>;

  /**
   * Sets a blob aside without removing its bytes: `stat`, `read` and `list` no longer find it until it is restored or
   * written again. A blob that does not exist is a success.
   */
  setAside(digest: Digest, reason: AsideReason): Promise<void>;

  /** Every blob that is set aside. */
  aside(): AsyncIterable<AsideBlob>;

  /** Undoes `setAside`. @returns false when the blob is not set aside, or is damaged: that one stays there */
  bringBack(digest: Digest): Promise<boolean>;

  /** Removes the bytes of a blob that was set aside; a missing one is a success. */
  removeAside(blob: Pick<AsideBlob, 'digest' | 'reason'>): Promise<void>;

  /** A document that was written with {@link writeRecord}; undefined when there is none. */
  readRecord(record: StoreRecord): Promise<string | undefined>;

  /**
   * Replaces a document, whole and durable. Of two writers at once the last one wins, unless there is a condition and the
   * store can check it.
   * @throws HeadwaterError `conflict` when the document is another one than the condition says
   */
  writeRecord(record: StoreRecord, text: string, condition?: RecordCondition): Promise<void>;

  /**
   * A link with which a client downloads the blob from the store itself, if the store can and is configured to do so.
   */
  presign?(digest: Digest, options: { expiresInSeconds: number; method: 'GET' | 'HEAD' }): Promise<string>;

  /**
   * Resolves when blobs can be read, or also written when nothing else is asked for.
   * @throws HeadwaterError `unavailable`, with the reason
   */
  check(purpose?: Purpose): Promise<void>;

  close(): Promise<void>;
}
