import { codeOf, HeadwaterError } from '../errors.ts';
import type { Digest } from '../model/digest.ts';

/** A stored blob is missing, or has another size than before. Only the same bytes, stored again, repair it. */
export class DamagedBlobError extends HeadwaterError {
  /** @param damage the damage, after the blob's name: `is missing in the store` */
  constructor(digest: Digest, damage: string, options?: { cause?: unknown }) {
    super(
      'unavailable',
      `blob sha256:${digest} ${damage}; publish the same file again to repair it`,
      options,
    );
    this.name = 'DamagedBlobError';
  }
}

/** Whether a blob cannot be read because the disk has lost a part of it. */
export function isUnreadable(error: unknown): boolean {
  return error instanceof Error && (codeOf(error) === 'EIO' || isUnreadable(error.cause));
}

/** @throws DamagedBlobError when the bytes of a blob in its store have another digest than its own */
export function assertDigest(digest: Digest, found: string): void {
  if (found === digest) return;
  throw new DamagedBlobError(digest, `is damaged: the SHA-256 of its bytes in the store is ${found}`);
}

/** @throws DamagedBlobError when a blob in its store does not have its known size */
export function assertSize(digest: Digest, size: number, known: number | undefined): void {
  if (known === undefined || size === known) return;
  throw new DamagedBlobError(digest, `has ${size} bytes in the store instead of ${known}`);
}
