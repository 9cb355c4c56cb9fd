import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { S3Client } from './s3-client.ts';
import { isMissing, S3Failure } from './s3-failure.ts';

export interface S3Object {
  key: string;
  /** Bytes. */
  size: number;
  modified: Date;
}

/** The objects of one bucket. Every failure is a HeadwaterError. */
export class S3Bucket {
  readonly #client: S3Client;
  readonly #name: string;

  constructor(client: S3Client) {
    this.#client = client;
    this.#name = client.settings.bucket;
  }

  /** Resolves when the bucket exists and keys that begin with `prefix` may be listed. */
  async reach(prefix: string, options: { create: boolean }): Promise<void> {
    const list = async (create: boolean): Promise<void> => {
      await this.#client.call(
        async (client) => void (await client.listObjectsV2Query(this.#name, prefix, '', '', 1, '')),
        {
          otherwise: (failure) =>
            create && failure instanceof S3Failure && failure.code === 'NoSuchBucket'
              ? this.#create().then(() => list(false))
              : undefined,
        },
      );
    };
    await list(options.create);
  }

  /** The object under a key. A missing bucket looks like a missing key: see `find`. */
  async head(key: string): Promise<S3Object | undefined> {
    return await this.#client.call<S3Object | undefined>(
      async (client) => {
        const { size, lastModified } = await client.statObject(this.#name, key);
        return { key, size, modified: lastModified };
      },
      { otherwise: (failure) => (isMissing(failure) ? Promise.resolve(undefined) : undefined) },
    );
  }

  /** The object under a key. @throws HeadwaterError `unavailable` when there is no bucket */
  async find(key: string): Promise<S3Object | undefined> {
    const object = await this.head(key);
    if (object !== undefined) return object;
    // An answer to HEAD has no body that could tell a missing bucket from a missing key; an answer to GET has.
    const response = await this.get(key);
    response?.destroy();
    return response === undefined ? undefined : await this.head(key);
  }

  /**
   * Starts to read an object, whole or from byte `start` to `end` (both included, `end` not beyond the last one).
   * Undefined when there is none.
   */
  async get(key: string, range?: { start: number; end: number }): Promise<IncomingMessage | undefined> {
    const headers = range === undefined ? {} : { range: `bytes=${range.start}-${range.end}` };
    const options = { method: 'GET', bucketName: this.#name, objectName: key, headers };
    const response = await this.#client.call<IncomingMessage | undefined>(
      (client) => client.makeRequestAsync(options, '', [200, 206]),
      { otherwise: (failure) => (isMissing(failure) ? Promise.resolve(undefined) : undefined) },
    );
    if (response === undefined || range === undefined || response.statusCode === 206) return response;
    response.destroy();
    throw this.#client.explain(new S3Failure(200, '', 'the whole object where a range was asked for'));
  }

  /**
   * Puts an object, in one request. @param preconditions headers about the present object @returns the headers of the
   * response
   * @throws HeadwaterError `conflict` when a precondition does not hold
   */
  async put(
    key: string,
    body: Buffer,
    sha256: string,
    preconditions: Record<string, string> = {},
  ): Promise<IncomingHttpHeaders> {
    return await this.#client.send(key, '', body, sha256, preconditions);
  }

  /** Copies an object within the service; of at most 5 GiB. */
  async copy(from: string, to: string): Promise<void> {
    await this.#client.call(
      async (client) => void (await client.copyObject(this.#name, to, `/${this.#name}/${from}`)),
    );
  }

  /** Removes an object; a missing one is a success. */
  async remove(key: string): Promise<void> {
    await this.#client.call((client) => client.removeObject(this.#name, key), {
      otherwise: (failure) => (isMissing(failure) ? Promise.resolve() : undefined),
    });
  }

  /** Every object whose key begins with `prefix`. */
  async *objects(prefix: string): AsyncGenerator<S3Object> {
    let next = '';
    do {
      const page = await this.#client.call((client) =>
        client.listObjectsV2Query(this.#name, prefix, next, '', 1000, ''),
      );
      for (const { name, size, lastModified } of page.objects) {
        if (name !== undefined) yield { key: name, size, modified: lastModified };
      }
      next = page.isTruncated ? page.nextContinuationToken : '';
    } while (next !== '');
  }

  /** A link that allows one request without keys. */
  async presign(method: 'GET' | 'HEAD', key: string, seconds: number): Promise<string> {
    return await this.#client.call((client) => client.presignedUrl(method, this.#name, key, seconds));
  }

  /** Resolves when an object can be put and removed, at the first try. */
  async probe(key: string): Promise<void> {
    await this.#client.call((client) => client.putObject(this.#name, key, '', 0), { attempts: 1 });
    await this.#client.call((client) => client.removeObject(this.#name, key), { attempts: 1 });
  }

  async #create(): Promise<void> {
    await this.#client.call((client) => client.makeBucket(this.#name, this.#client.settings.region), {
      otherwise: (failure) =>
        failure instanceof S3Failure && failure.code === 'BucketAlreadyOwnedByYou'
          ? Promise.resolve()
          : undefined,
    });
  }
}
