import { HeadwaterError } from '../../errors.ts';
import type { Digest } from '../../model/digest.ts';
import { asideKey, asideOfKey, asideRoot, returningReasons } from '../blob-key.ts';
import type { AsideBlob, AsideReason } from '../blob-store.ts';
import type { S3Bucket } from './s3-bucket.ts';
import { copyObject } from './s3-copy.ts';
import type { S3Settings } from './s3-options.ts';
import type { S3Uploads } from './s3-uploads.ts';

/** Blobs of a bucket that were set aside: `<prefix>aside/<reason>/<hex>`. An object's time is the time of that. */
export class S3Aside {
  readonly #bucket: S3Bucket;
  readonly #uploads: S3Uploads;
  readonly #settings: Pick<S3Settings, 'prefix' | 'copyLimit'>;

  constructor(bucket: S3Bucket, uploads: S3Uploads, settings: Pick<S3Settings, 'prefix' | 'copyLimit'>) {
    this.#bucket = bucket;
    this.#uploads = uploads;
    this.#settings = settings;
  }

  /** Moves the object of a blob here; one that does not exist is a success. */
  async put(from: string, digest: Digest, reason: AsideReason): Promise<void> {
    await this.#move(from, this.#key(digest, reason));
  }

  async *list(): AsyncIterable<AsideBlob> {
    const { prefix } = this.#settings;
    for await (const { key, size, modified } of this.#bucket.objects(prefix + asideRoot)) {
      const blob = asideOfKey(key.slice(prefix.length));
      if (blob !== undefined) yield { ...blob, size, modified };
    }
  }

  /** Moves a blob back to its key. @returns false when it was not set aside, or is damaged */
  async take(digest: Digest, to: string): Promise<boolean> {
    for (const reason of returningReasons) {
      if (await this.#move(this.#key(digest, reason), to)) return true;
    }
    return false;
  }

  async remove(digest: Digest, reason: AsideReason): Promise<void> {
    await this.#bucket.remove(this.#key(digest, reason));
  }

  /** Copies an object and removes the original. @returns false when there is no original */
  async #move(from: string, to: string): Promise<boolean> {
    const original = await this.#bucket.head(from);
    if (original === undefined) return false;
    const services = { bucket: this.#bucket, uploads: this.#uploads };
    await copyObject(services, from, to, { size: original.size, limit: this.#settings.copyLimit });
    const copy = await this.#bucket.head(to);
    if (copy?.size !== original.size) {
      throw new HeadwaterError(
        'unavailable',
        `${to}: the S3 service did not copy the whole object: try again`,
      );
    }
    await this.#bucket.remove(from);
    return true;
  }

  #key(digest: Digest, reason: AsideReason): string {
    return this.#settings.prefix + asideKey(digest, reason);
  }
}
