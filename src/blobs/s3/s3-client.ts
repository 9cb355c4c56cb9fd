import type { IncomingHttpHeaders } from 'node:http';
import { text } from 'node:stream/consumers';
import { Client } from 'minio';
import { retry } from '../../async/backoff.ts';
import type { HeadwaterError } from '../../errors.ts';
import { defined } from '../../model/defined.ts';
import { isTransient, normalized, s3Error } from './s3-failure.ts';
import type { S3Settings } from './s3-options.ts';
import { S3Transport } from './s3-transport.ts';

/** The client of the S3 service: every request is repeated while that may help, and its failure is explained. */
export class S3Client {
  readonly settings: S3Settings;
  readonly #transport: S3Transport;
  readonly #client: Client;

  constructor(settings: S3Settings) {
    const { endpoint, accessKey, secretKey, sessionToken, region, pathStyle } = settings;
    const secure = endpoint.protocol === 'https:';
    this.settings = settings;
    this.#transport = new S3Transport({ ...settings, secure });
    this.#client = new Client({
      // Brackets belong to the URL, not to an IPv6 address.
      endPoint: endpoint.hostname.replace(/^\[|\]$/g, ''),
      port: endpoint.port === '' ? (secure ? 443 : 80) : Number(endpoint.port),
      useSSL: secure,
      accessKey,
      secretKey,
      region,
      pathStyle,
      // Narrower than node:http, whose overloads the client does not use.
      transport: this.#transport as never,
      transportAgent: this.#transport.agent,
      retryOptions: { disableRetry: true },
      ...defined({ sessionToken }),
    });
    // Sign the SHA-256 of what is sent over TLS, too: the service then refuses bytes that changed on the way, and it
    // costs a third of the MD5 that would do the same (with the processor's SHA instructions).
    this.#client.enableSHA256 = true;
  }

  /**
   * Makes requests through the client of the library, again where that may help.
   * @param options.otherwise maps failures that the caller expects to a result; undefined for others
   * @throws HeadwaterError
   */
  async call<Result>(
    request: (client: Client) => Promise<Result>,
    options: { attempts?: number; otherwise?: (failure: unknown) => Promise<Result> | undefined } = {},
  ): Promise<Result> {
    const attempt = async () =>
      await request(this.#client).catch((error: unknown) => {
        throw normalized(error);
      });
    const backoff = { ...this.settings.retry, ...defined({ attempts: options.attempts }) };
    try {
      return await retry(attempt, { backoff, isTransient });
    } catch (error) {
      const result = options.otherwise?.(error);
      if (result !== undefined) return await result;
      throw this.explain(error);
    }
  }

  /**
   * Sends an object or a part of one.
   * @param query of the request: which part it is
   * @param sha256 of `body`, in hexadecimal digits
   * @param more headers of the request
   * @returns the headers of the answer
   */
  async send(
    key: string,
    query: string,
    body: Buffer,
    sha256: string,
    more: Record<string, string> = {},
  ): Promise<IncomingHttpHeaders> {
    const headers = { 'content-length': body.length, 'content-type': 'application/octet-stream', ...more };
    const options = { method: 'PUT', bucketName: this.settings.bucket, objectName: key, query, headers };
    return await this.call(async (client) => {
      const response = await client.makeRequestStreamAsync(options, body, sha256, [200], '');
      await text(response);
      return response.headers;
    });
  }

  /** Explains a failure and what to do. */
  explain(error: unknown): HeadwaterError {
    const { bucket, endpoint } = this.settings;
    return s3Error(normalized(error), `S3 bucket ${bucket} at ${endpoint.origin}`, bucket);
  }

  close(): void {
    this.#transport.close();
  }
}
