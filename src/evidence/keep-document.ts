import { hash } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { singleChunk } from '../async/single-chunk.ts';
import type { BlobStore } from '../blobs/blob-store.ts';
import { DamagedBlobError } from '../blobs/damaged-blob.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { DocumentRecord } from '../catalog/evidence/document-rows.ts';
import { type Digest, parseDigest } from '../model/digest.ts';

const compress = promisify(gzip);

/** A document, compressed. */
export interface PackedDocument {
  /** Of the document as it was served. */
  sha256: Digest;
  /** Its bytes, compressed by gzip. */
  packed: Buffer;
}

/** A document to keep. */
export type NewDocument = PackedDocument & Omit<DocumentRecord, 'sha256' | 'blob'>;

/** Compresses a document. @param bytes as the upstream served them */
export async function packDocument(bytes: Uint8Array): Promise<PackedDocument> {
  return { sha256: parseDigest(hash('sha256', bytes)), packed: await compress(bytes) };
}

/**
 * Keeps a document of an upstream word for word: its bytes as a blob, and the rest in the catalog. It stays as long as a
 * version refers to it, and at least for the grace period.
 * @returns the id of the document, for `VersionEvidence`; that of the same document of this owner, if there is one
 * @throws HeadwaterError the errors of the store and the catalog
 */
export async function keepDocument(
  { catalog, store }: { catalog: Catalog; store: BlobStore },
  { packed, ...document }: NewDocument,
): Promise<number> {
  const digest = parseDigest(hash('sha256', packed));
  const size = packed.length;
  // Bytes that are stored already, perhaps damaged, are replaced.
  await store.write(singleChunk(packed), { digest, size, verified: true });
  return await catalog.evidence.keep({ ...document, blob: { digest, size } }, async () => {
    // Garbage collection may have removed it: it does so in a transaction, too.
    if ((await store.stat(digest))?.size !== size) {
      throw new DamagedBlobError(digest, 'is no longer in the store');
    }
  });
}
