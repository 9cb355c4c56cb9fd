import { rootCertificates } from 'node:tls';
import { type Dispatcher, EnvHttpProxyAgent } from 'undici';
import { codeOf, HeadwaterError, messageOf } from '../errors.ts';
import { Pace } from './bandwidth.ts';
import { defaultPatience, delayBefore, type Patience, retryAfter, sleep } from './patience.ts';
import type { Validators } from './upstream-documents.ts';

/** An upstream server. */
export interface Upstream {
  /** The address, then fallbacks; no slash at the end. */
  bases: string[];
  /** Certificates, in PEM, that are trusted beside those of the system. */
  ca?: string;
  credentials?: { user: string; password: string };
  /** Connections at a time. */
  concurrency: number;
  /** Bytes a second, of all connections together. */
  bandwidth?: number;
}

/** A file of an upstream. */
export interface UpstreamFile {
  /** Below the base, checked (`upstream-path.ts`). */
  path: string;
  /** Bytes. */
  size: number;
}

export interface DownloaderOptions {
  signal?: AbortSignal;
  /** Told why a request is made once more. */
  onRetry?: (reason: string) => void;
  patience?: Patience;
  /** Milliseconds without a byte after which an answer counts as broken. */
  idle?: number;
}

/** Documents larger than this, in bytes, are refused. */
const largestDocument = 256 * 1024 * 1024;
const redirectsFollowed = 5;

/** Milliseconds. */
const timeouts = { connect: 15_000, idle: 60_000 };

/** Answers that may be others the next time (RFC 9110, section 15). */
const passing = new Set([408, 425, 429, 500, 502, 503, 504]);

/** Asks an upstream for documents and files, over connections that are kept, and does not give up at once. */
export class Downloader {
  readonly #upstream: Upstream;
  readonly #options: DownloaderOptions;
  readonly #patience: Patience;
  readonly #agent: Dispatcher;
  readonly #pace: Pace | undefined;

  constructor(upstream: Upstream, options: DownloaderOptions = {}) {
    this.#upstream = upstream;
    this.#options = options;
    this.#patience = options.patience ?? defaultPatience;
    if (upstream.bandwidth !== undefined) this.#pace = new Pace(upstream.bandwidth);
    const ca = upstream.ca === undefined ? {} : { ca: [...rootCertificates, upstream.ca] };
    // Proxies are named by HTTPS_PROXY, HTTP_PROXY and NO_PROXY.
    this.#agent = new EnvHttpProxyAgent({
      connections: upstream.concurrency,
      connect: { ...ca, timeout: timeouts.connect },
      requestTls: ca,
      headersTimeout: options.idle ?? timeouts.idle,
      bodyTimeout: options.idle ?? timeouts.idle,
    });
  }

  /**
   * A document, unless it is as it was known.
   * @throws HeadwaterError `not-found`; `too-large`; `unavailable` when the upstream cannot be reached
   */
  async document(
    path: string,
    known: Validators = {},
  ): Promise<{ changed: false } | { changed: true; bytes: Buffer; validators: Validators }> {
    const headers = {
      ...(known.etag === undefined ? {} : { 'if-none-match': known.etag }),
      ...(known.lastModified === undefined ? {} : { 'if-modified-since': known.lastModified }),
    };
    return await this.#persist(path, async (base) => {
      const response = await this.#ask(base, path, headers);
      if (response.statusCode === 304) {
        await response.body.dump();
        return { changed: false as const };
      }
      return {
        changed: true as const,
        bytes: await whole(response, path),
        validators: validatorsOf(response),
      };
    });
  }

  /**
   * The bytes of a file. A connection that breaks is made anew behind the reader's back, and goes on where it broke.
   * @param options.offset where to begin
   * @throws HeadwaterError `not-found`; `invalid` when it is not as large as it should be; `unavailable`
   */
  async *read(
    file: UpstreamFile,
    options: { offset?: number; signal?: AbortSignal } = {},
  ): AsyncGenerator<Uint8Array> {
    const { path, size } = file;
    let at = options.offset ?? 0;
    let tries = 0;
    let base = 0;
    let validator: string | undefined;
    while (at < size) {
      const before = at;
      try {
        const response = await this.#ask(
          this.#upstream.bases[base] ?? '',
          path,
          rangeFrom(at, validator),
          options.signal,
        );
        validator = validatorOf(response);
        // A server that ignores Range, or whose file changed meanwhile, sends it from its beginning.
        let skip = response.statusCode === 206 ? at - startOf(response, path, at) : at;
        for await (const chunk of response.body as AsyncIterable<Buffer>) {
          const fresh = chunk.subarray(skip);
          skip -= chunk.length - fresh.length;
          if (fresh.length === 0) continue;
          if (at + fresh.length > size) throw tooLong(path, size);
          await this.#pace?.take(fresh.length, this.#options.signal);
          at += fresh.length;
          yield fresh;
        }
        if (at < size)
          throw new HeadwaterError('unavailable', `${path}: the upstream sent ${at} bytes of ${size}`);
      } catch (error) {
        const failure = explain(error, path);
        if (at > before) tries = 0;
        tries += 1;
        const final = tries >= this.#patience.attempts || failure.kind !== 'unavailable';
        if (final && base + 1 < this.#upstream.bases.length && failure.kind !== 'aborted') {
          base += 1;
          tries = 0;
          validator = undefined;
        } else if (final) {
          throw failure;
        } else {
          await this.#wait(tries, failure, options.signal);
        }
      }
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  /** Makes an attempt until one succeeds, with each base in turn. */
  async #persist<Result>(path: string, attempt: (base: string) => Promise<Result>): Promise<Result> {
    let failure: HeadwaterError | undefined;
    for (const base of this.#upstream.bases) {
      for (let tries = 1; ; tries++) {
        try {
          return await attempt(base);
        } catch (error) {
          failure = explain(error, path);
          if (failure.kind === 'aborted') throw failure;
          if (failure.kind !== 'unavailable' || tries >= this.#patience.attempts) break;
          await this.#wait(tries, failure);
        }
      }
    }
    throw failure ?? new Error('an upstream has no address');
  }

  async #wait(tries: number, failure: HeadwaterError, signal?: AbortSignal): Promise<void> {
    this.#options.onRetry?.(failure.message);
    const wanted = failure instanceof Passing ? failure.after : undefined;
    await sleep(delayBefore(tries, this.#patience, wanted), signal ?? this.#options.signal);
  }

  /** @throws HeadwaterError for any answer that is not what was asked for */
  async #ask(
    base: string,
    path: string,
    headers: Record<string, string>,
    signal = this.#options.signal,
  ): Promise<Dispatcher.ResponseData> {
    let url = new URL(`${base}/${path}`);
    const { origin } = url;
    for (let redirects = 0; ; redirects++) {
      const { credentials } = this.#upstream;
      // Wherever a redirect leads, the credentials are for the upstream only.
      const authorization =
        credentials === undefined || url.origin !== origin
          ? {}
          : {
              authorization: `Basic ${Buffer.from(`${credentials.user}:${credentials.password}`).toString('base64')}`,
            };
      const response = await this.#agent
        .request({
          origin: url.origin,
          path: url.pathname + url.search,
          method: 'GET',
          headers: { 'user-agent': 'headwater', ...headers, ...authorization },
          ...(signal === undefined ? {} : { signal }),
        })
        .catch((error: unknown) => {
          throw explain(error, url.href);
        });
      const { statusCode } = response;
      if (statusCode === 200 || statusCode === 206 || statusCode === 304) return response;
      await response.body.dump();
      const location = response.headers['location'];
      if (!isRedirect(statusCode) || typeof location !== 'string') throw refusal(url, response);
      const next = URL.canParse(location, url.href) ? new URL(location, url) : undefined;
      const safe = next?.protocol === 'https:' || (next?.protocol === 'http:' && url.protocol === 'http:');
      if (next === undefined || !safe || redirects >= redirectsFollowed) {
        throw new HeadwaterError('invalid', `${url.href}: redirects to ${location}, which is not followed`);
      }
      url = next;
    }
  }
}

/** A refusal that may be another the next time. */
class Passing extends HeadwaterError {
  /** Milliseconds that the upstream asks to wait. */
  readonly after: number | undefined;

  constructor(message: string, after: number | undefined) {
    super('unavailable', message);
    this.after = after;
  }
}

function isRedirect(status: number): boolean {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
}

function refusal(url: URL, { statusCode, headers }: Dispatcher.ResponseData): HeadwaterError {
  const said = `${url.href}: the upstream answered ${statusCode}`;
  if (statusCode === 404 || statusCode === 410) return new HeadwaterError('not-found', said);
  if (statusCode === 401 || statusCode === 403) {
    return new HeadwaterError('forbidden', `${said}: it wants other credentials, or none may read this`);
  }
  if (passing.has(statusCode)) return new Passing(said, retryAfter(headers['retry-after']));
  return new HeadwaterError('invalid', said);
}

/** What anything that was thrown means to who asked for a file. */
function explain(error: unknown, path: string): HeadwaterError {
  if (error instanceof HeadwaterError) return error;
  if (error instanceof Error && (error.name === 'AbortError' || codeOf(error) === 'UND_ERR_ABORTED')) {
    return new HeadwaterError('aborted', `${path}: interrupted`, { cause: error });
  }
  const code = codeOf(error);
  const reason = `${messageOf(error) || 'the connection failed'}${code === undefined ? '' : ` (${code})`}`;
  // A certificate that is not trusted will not be trusted the next time.
  const kind = /CERT|SELF_SIGNED|ALTNAME|UNABLE_TO_VERIFY/.test(code ?? '') ? 'invalid' : 'unavailable';
  return new HeadwaterError(kind, `${path}: the upstream does not answer: ${reason}`, { cause: error });
}

/** RFC 9110, section 13.1.5: without a strong validator, the digest of the whole tells whether parts fit. */
function rangeFrom(at: number, validator: string | undefined): Record<string, string> {
  if (at === 0) return {};
  return { range: `bytes=${at}-`, ...(validator === undefined ? {} : { 'if-range': validator }) };
}

function startOf(response: Dispatcher.ResponseData, path: string, asked: number): number {
  const [, start] = /^bytes (\d+)-\d+\/(?:\d+|\*)$/.exec(String(response.headers['content-range'])) ?? [];
  if (start !== undefined && Number(start) <= asked) return Number(start);
  throw new HeadwaterError('unavailable', `${path}: the upstream sent another part than was asked for`);
}

function validatorOf({ headers }: Dispatcher.ResponseData): string | undefined {
  const etag = headers['etag'];
  if (typeof etag === 'string' && !etag.startsWith('W/')) return etag;
  const modified = headers['last-modified'];
  return typeof modified === 'string' ? modified : undefined;
}

function validatorsOf({ headers }: Dispatcher.ResponseData): Validators {
  const { etag, 'last-modified': lastModified } = headers;
  return {
    ...(typeof etag === 'string' ? { etag } : {}),
    ...(typeof lastModified === 'string' ? { lastModified } : {}),
  };
}

/** The body of an answer, in one buffer from the beginning where its length is known: documents are large. */
async function whole({ headers, body }: Dispatcher.ResponseData, path: string): Promise<Buffer> {
  const length = Number(headers['content-length'] ?? Number.NaN);
  const known = Number.isSafeInteger(length);
  if (known && length > largestDocument) throw tooLong(path, largestDocument);
  let bytes = Buffer.allocUnsafeSlow(known ? length : 1024 * 1024);
  let filled = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    if (filled + chunk.length > largestDocument) throw tooLong(path, largestDocument);
    if (filled + chunk.length > bytes.length) {
      bytes = Buffer.concat([bytes.subarray(0, filled)], Math.max(2 * bytes.length, filled + chunk.length));
    }
    bytes.set(chunk, filled);
    filled += chunk.length;
  }
  if (known && filled < length)
    throw new HeadwaterError('unavailable', `${path}: the upstream stopped half way`);
  return bytes.subarray(0, filled);
}

function tooLong(path: string, size: number): HeadwaterError {
  return new HeadwaterError('invalid', `${path}: the upstream sends more than ${size} bytes`);
}
