import { createHash, randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import type { BlobStat, BlobStore, ByteRange } from '../../src/blobs/blob-store.ts';
import { type Digest, parseDigest } from '../../src/model/digest.ts';

/** A blob that no other test has. */
export interface Sample {
  bytes: Buffer;
  digest: Digest;
}

export function sample(size: number): Sample {
  return sampleOf(randomBytes(size));
}

export function sampleOf(bytes: Buffer): Sample {
  return { bytes, digest: parseDigest(createHash('sha256').update(bytes).digest('hex')) };
}

/** The bytes as a source gives them, in chunks of one size. */
export async function* inChunks(bytes: Buffer, chunkSize = 100_000): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < bytes.length; offset += chunkSize) {
    // Memory of its own, and a turn of the event loop, as a file or a socket would give.
    await new Promise((resolve) => setImmediate(resolve));
    yield new Uint8Array(bytes.subarray(offset, offset + chunkSize));
  }
}

/** Writes a sample whose digest is promised, as it is when a file is hashed on its way in. */
export async function put(store: BlobStore, { bytes, digest }: Sample): Promise<void> {
  let announce: (digest: Digest) => void = () => undefined;
  const promised = new Promise<Digest>((resolve) => {
    announce = resolve;
  });
  const source = async function* () {
    yield* inChunks(bytes);
    announce(digest);
  };
  await store.write(source(), { digest: promised, size: bytes.length });
}

export async function get(store: BlobStore, digest: Digest, range?: ByteRange): Promise<Buffer> {
  return await buffer(await store.read(digest, range));
}

export async function listed(store: BlobStore): Promise<BlobStat[]> {
  const found: BlobStat[] = [];
  for await (const stat of store.list()) found.push(stat);
  return found;
}
