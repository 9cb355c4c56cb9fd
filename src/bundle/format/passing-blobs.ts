import { createHash, type Hash } from 'node:crypto';
import type { CarriedBlob } from './manifest-schema.ts';
import type { BlobMember } from './members.ts';

/** Receives the bytes of blobs as a volume is read. */
export interface ReadsMembers {
  /**
   * The same bytes.
   * @returns whether nothing is known to be wrong with the blob
   */
  pass(member: BlobMember, bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, boolean>;
}

/**
 * Hashes blobs as their bytes pass, also those that are cut: their pieces pass one after another, in consecutive volumes.
 * A blob is good when all its bytes have passed and have its digest.
 */
export class PassingBlobs implements ReadsMembers {
  readonly #good = new Set<string>();
  readonly #cut = new Map<string, { hash: Hash; end: number }>();

  /** Whether all bytes of a blob have passed and were right. */
  isGood(blob: CarriedBlob): boolean {
    return this.#good.has(blob.digest);
  }

  /**
   * The same bytes, hashed.
   * @returns whether nothing is known to be wrong: with the last bytes of a blob, whether it is good. A piece whose previous
   *   one has not passed cannot be judged
   */
  async *pass(member: BlobMember, bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, boolean> {
    const { blob, offset, size } = member;
    const hash = this.#begin(member);
    for await (const chunk of bytes) {
      hash?.update(chunk);
      yield chunk;
    }
    if (hash === undefined) return true;
    if (offset + size < blob.size) {
      this.#cut.set(blob.digest, { hash, end: offset + size });
      return true;
    }
    const isRight = `sha256:${hash.digest('hex')}` === blob.digest;
    if (isRight) this.#good.add(blob.digest);
    return isRight;
  }

  /** @returns undefined when the piece before it has not passed */
  #begin({ blob, offset }: BlobMember): Hash | undefined {
    if (offset === 0) return createHash('sha256');
    const cut = this.#cut.get(blob.digest);
    // A piece that passes once more leaves the hash to the piece behind it.
    if (cut?.end !== offset) return undefined;
    this.#cut.delete(blob.digest);
    return cut.hash;
  }
}
