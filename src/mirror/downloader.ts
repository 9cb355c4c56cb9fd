import { HeadwaterError } from '../errors.ts';
import type { Validators } from './upstream-documents.ts';

/** An upstream server. */
export interface Upstream {
  /** The address, then fallbacks; no slash at the end. */
  bases: string[];
  /** PEM */
  ca?: string;
  credentials?: { user: string; password: string };
  concurrency: number;
  /** Bytes a second. */
  bandwidth?: number;
}

/** Asks an upstream for documents and files. The first, simplest form: it neither retries nor resumes. */
export class Downloader {
  readonly #upstream: Upstream;
  readonly #signal: AbortSignal | undefined;

  constructor(upstream: Upstream, options: { signal?: AbortSignal } = {}) {
    this.#upstream = upstream;
    this.#signal = options.signal;
  }

  async document(
    path: string,
    known: Validators = {},
  ): Promise<{ changed: false } | { changed: true; bytes: Buffer; validators: Validators }> {
    const response = await this.#ask(path, {
      ...(known.etag === undefined ? {} : { 'if-none-match': known.etag }),
      ...(known.lastModified === undefined ? {} : { 'if-modified-since': known.lastModified }),
    });
    if (response.status === 304) return { changed: false };
    const etag = response.headers.get('etag');
    const lastModified = response.headers.get('last-modified');
    const validators = {
      ...(etag === null ? {} : { etag }),
      ...(lastModified === null ? {} : { lastModified }),
    };
    return { changed: true, bytes: await whole(response), validators };
  }

  async *read(file: { path: string }): AsyncGenerator<Uint8Array> {
    const { body } = await this.#ask(file.path, {});
    if (body !== null) yield* body as unknown as AsyncIterable<Uint8Array>;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #ask(path: string, headers: Record<string, string>): Promise<Response> {
    const url = `${this.#upstream.bases[0]}/${path}`;
    const signal = this.#signal === undefined ? {} : { signal: this.#signal };
    const response = await fetch(url, { headers, ...signal }).catch((error: unknown) => {
      throw new HeadwaterError('unavailable', `${url}: cannot be reached`, { cause: error });
    });
    if (response.status === 200 || response.status === 304) return response;
    await response.body?.cancel();
    const kind = response.status === 404 ? 'not-found' : 'unavailable';
    throw new HeadwaterError(kind, `${url}: the upstream answered ${response.status}`);
  }
}

/** The body of an answer, in one buffer from the beginning where its length is known: documents are large. */
async function whole(response: Response): Promise<Buffer> {
  const length = Number(response.headers.get('content-length') ?? Number.NaN);
  if (response.body === null || !Number.isSafeInteger(length))
    return Buffer.from(await response.arrayBuffer());
  const bytes = Buffer.allocUnsafeSlow(length);
  let filled = 0;
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    bytes.set(chunk, filled);
    filled += chunk.length;
  }
  return bytes.subarray(0, filled);
}
