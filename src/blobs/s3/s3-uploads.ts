import { text } from 'node:stream/consumers';
import type { S3Client } from './s3-client.ts';
import { S3Failure } from './s3-failure.ts';

/** A part of an upload as the service confirmed it. */
export interface S3Part {
  /** From 1. */
  part: number;
  etag: string;
}

/** Uploads in parts into one bucket: nothing of an upload is visible until it is completed. */
export class S3Uploads {
  readonly #client: S3Client;
  readonly #name: string;

  constructor(client: S3Client) {
    this.#client = client;
    this.#name = client.settings.bucket;
  }

  /** Starts an upload in parts. @returns its id */
  async start(key: string): Promise<string> {
    return await this.#client.call((client) =>
      client.initiateNewMultipartUpload(this.#name, key, { 'content-type': 'application/octet-stream' }),
    );
  }

  async putPart(key: string, upload: string, part: number, body: Buffer, sha256: string): Promise<S3Part> {
    const query = `partNumber=${part}&uploadId=${encodeURIComponent(upload)}`;
    const headers = await this.#client.send(key, query, body, sha256);
    return { part, etag: (headers.etag ?? '').replaceAll('"', '') };
  }

  /** Copies bytes of another object into a part. @param range the first and the last byte */
  async copyPart(
    from: string,
    key: string,
    upload: string,
    part: number,
    range: { start: number; end: number },
  ) {
    const query = `partNumber=${part}&uploadId=${encodeURIComponent(upload)}`;
    const headers = {
      'x-amz-copy-source': encodeURI(`/${this.#name}/${from}`),
      'x-amz-copy-source-range': `bytes=${range.start}-${range.end}`,
    };
    const options = { method: 'PUT', bucketName: this.#name, objectName: key, query, headers };
    return await this.#client.call(async (client): Promise<S3Part> => {
      const answer = await text(await client.makeRequestAsync(options));
      const etag = /<ETag>(?:"|&quot;|&#34;)?([^<"&]+)/.exec(answer)?.[1];
      if (etag === undefined) throw new S3Failure(200, 'InternalError', 'no ETag of a copied part');
      return { part, etag };
    });
  }

  /** Makes an object of the parts. */
  async complete(key: string, upload: string, parts: S3Part[], size: number): Promise<void> {
    await this.#client.call(
      async (client) => void (await client.completeMultipartUpload(this.#name, key, upload, parts)),
      {
        // If the response was lost, the request is repeated for an upload that no longer exists.
        otherwise: (failure) =>
          failure instanceof S3Failure && failure.code === 'NoSuchUpload'
            ? this.#checkWhole(key, size, failure)
            : undefined,
      },
    );
  }

  /** Drops an upload and its parts; a missing one is a success. */
  async abort(key: string, upload: string): Promise<void> {
    await this.#client.call(
      (client) => client.abortMultipartUpload(this.#name, key, encodeURIComponent(upload)),
      {
        otherwise: (failure) =>
          failure instanceof S3Failure && failure.code === 'NoSuchUpload' ? Promise.resolve() : undefined,
      },
    );
  }

  /** Every upload in parts that was started and not completed, of a key that begins with `prefix`. */
  async *list(prefix: string): AsyncGenerator<{ key: string; upload: string; started: Date }> {
    let after = '';
    for (;;) {
      const page = await this.#client.call((client) =>
        client.listIncompleteUploadsQuery(this.#name, prefix, after, '', ''),
      );
      for (const { key, uploadId, initiated } of page.uploads)
        yield { key, upload: uploadId, started: initiated };
      if (!page.isTruncated || page.nextKeyMarker === after) return;
      after = page.nextKeyMarker;
    }
  }

  async #checkWhole(key: string, size: number, failure: unknown): Promise<void> {
    const object = await this.#client.call((client) => client.statObject(this.#name, key), {
      otherwise: () => Promise.reject(this.#client.explain(failure)),
    });
    if (object.size !== size) throw this.#client.explain(failure);
  }
}
