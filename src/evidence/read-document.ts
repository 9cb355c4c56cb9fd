import { hash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { BlobStore } from '../blobs/blob-store.ts';
import { assertDigest, DamagedBlobError } from '../blobs/damaged-blob.ts';
import type { KeptDocument } from '../catalog/evidence/document-rows.ts';
import { parseDigest } from '../model/digest.ts';

const decompress = promisify(gunzip);

/** The largest document that mirrors read, in bytes. */
const maxDocumentSize = 256 * 1024 * 1024;

/**
 * The bytes of a kept document as the upstream served them; their SHA-256 is checked.
 * @throws HeadwaterError `not-found` when its blob is not stored; DamagedBlobError when the blob is not what it was
 */
export async function readDocument(store: Pick<BlobStore, 'read'>, document: KeptDocument): Promise<Buffer> {
  const digest = parseDigest(document.blob.digest);
  const packed = await buffer(await store.read(digest));
  assertDigest(digest, hash('sha256', packed));
  const bytes = await decompress(packed, { maxOutputLength: maxDocumentSize }).catch((error: unknown) => {
    throw new DamagedBlobError(digest, 'cannot be decompressed', { cause: error });
  });
  const found = hash('sha256', bytes);
  if (found !== document.sha256) {
    throw new DamagedBlobError(digest, `holds a document with the SHA-256 ${found}, not ${document.sha256}`);
  }
  return bytes;
}
