import { hash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { text as textOf } from 'node:stream/consumers';
import { HeadwaterError } from '../../errors.ts';
import { recordKeys } from '../blob-key.ts';
import type { RecordCondition, StoreRecord } from '../blob-store.ts';
import type { S3Bucket } from './s3-bucket.ts';
import type { S3Client } from './s3-client.ts';
import { S3Failure } from './s3-failure.ts';

/** The records of a store in a bucket. */
export class S3Records {
  readonly #bucket: S3Bucket;
  readonly #client: S3Client;
  /** The texts that were read or written last, with the tag by which the service tells a version of an object. */
  readonly #known = new Map<StoreRecord, { text: string; tag: string }>();
  /** Whether the service was seen to refuse conditions, as some do. */
  #lacksConditions = false;

  constructor(bucket: S3Bucket, client: S3Client) {
    this.#bucket = bucket;
    this.#client = client;
  }

  async read(record: StoreRecord): Promise<string | undefined> {
    const response = await this.#bucket.get(this.#key(record));
    if (response === undefined) return undefined;
    const text = await textOf(response).catch((error: unknown) => {
      throw this.#client.explain(error);
    });
    this.#remember(record, text, response.headers);
    return text;
  }

  async write(record: StoreRecord, text: string, condition?: RecordCondition): Promise<void> {
    const headers = condition === undefined ? {} : this.#headersFor(record, condition);
    const put = async (preconditions: Record<string, string>) => {
      const body = Buffer.from(text);
      return await this.#bucket.put(this.#key(record), body, hash('sha256', body), preconditions);
    };
    const answer = await put(headers).catch(async (error: unknown) => {
      if (Object.keys(headers).length === 0 || !isUnsupported(error)) throw error;
      this.#lacksConditions = true;
      return await put({});
    });
    this.#remember(record, text, answer);
  }

  /** RFC 9110, section 13.1: `If-Match` and `If-None-Match`. */
  #headersFor(record: StoreRecord, { replaces }: RecordCondition): Record<string, string> {
    if (this.#lacksConditions) return {};
    if (replaces === undefined) return { 'if-none-match': '*' };
    const known = this.#known.get(record);
    return known?.text === replaces ? { 'if-match': known.tag } : {};
  }

  #remember(record: StoreRecord, text: string, { etag }: IncomingHttpHeaders): void {
    if (etag === undefined) this.#known.delete(record);
    // Ceph compares what it is sent with a tag without quotation marks; AWS takes both forms.
    else this.#known.set(record, { text, tag: etag.replaceAll('"', '') });
  }

  #key(record: StoreRecord): string {
    return this.#client.settings.prefix + recordKeys[record];
  }
}

function isUnsupported(error: unknown): boolean {
  const cause = error instanceof HeadwaterError ? error.cause : undefined;
  return cause instanceof S3Failure && (cause.status === 501 || cause.code === 'NotImplemented');
}
