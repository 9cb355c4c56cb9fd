import { type Dispatcher, EnvHttpProxyAgent } from 'undici';
import { codeOf, HeadwaterError, messageOf } from '../errors.ts';
import { retryAfter } from './patience.ts';
import { trustedCertificates } from './trust.ts';
import { type CollectOptions, collect, type WholeAnswer } from './whole-answer.ts';

/** An upstream server. */
export interface Upstream {
  /** The address, then fallbacks; no slash at the end. */
  bases: string[];
  /** Certificates, in PEM, that are trusted beside those of the system. */
  ca?: string;
  /** For the address only: neither for fallbacks nor for where it redirects to. */
  credentials?: { user: string; password: string };
  /** Connections at a time. */
  concurrency: number;
  /** Bytes a second, of all connections together. */
  bandwidth?: number;
}

const redirectsFollowed = 5;

/** Milliseconds. */
const timeouts = { connect: 15_000, idle: 60_000 };

/** Answers that may be others the next time (RFC 9110, section 15). */
const passing = new Set([408, 425, 429, 500, 502, 503, 504]);

/** A refusal that may be another the next time. */
export class Passing extends HeadwaterError {
  /** Milliseconds that the upstream asks to wait. */
  readonly after: number | undefined;

  constructor(message: string, after: number | undefined) {
    super('unavailable', message);
    this.after = after;
  }
}

/** Makes single requests to an upstream, over connections that are kept. */
export class UpstreamRequests {
  readonly #agent: Dispatcher;
  readonly #authorization: { origin: string; header: string } | undefined;

  /** @param options.idle milliseconds without a byte after which an answer counts as broken */
  constructor(upstream: Upstream, options: { idle?: number } = {}) {
    const { bases, credentials, concurrency } = upstream;
    const idle = options.idle ?? timeouts.idle;
    const isSecure = bases.some((base) => base.startsWith('https:'));
    const trust = isSecure ? { ca: trustedCertificates(upstream.ca) } : {};
    // Proxies are named by HTTPS_PROXY, HTTP_PROXY and NO_PROXY.
    this.#agent = new EnvHttpProxyAgent({
      connections: concurrency,
      connect: { ...trust, timeout: timeouts.connect },
      requestTls: trust,
      headersTimeout: idle,
      bodyTimeout: idle,
    });
    if (credentials === undefined) return;
    const { user, password } = credentials;
    const header = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
    this.#authorization = { origin: new URL(bases[0] ?? '').origin, header };
  }

  /**
   * Asks for something below a base, and follows redirects.
   * @returns an answer with what was asked for (200, 206), or 304
   * @throws HeadwaterError for any other answer, {@link Passing} among them; `unavailable`, `aborted`
   */
  async get(
    base: string,
    path: string,
    headers: Record<string, string>,
    signal: AbortSignal | undefined,
  ): Promise<Dispatcher.ResponseData> {
    return await this.#follow(base, path, headers, (request) =>
      this.#agent.request({ ...request, ...(signal === undefined ? {} : { signal }) }),
    );
  }

  /**
   * Asks for something small below a base, as {@link get}.
   * @throws HeadwaterError as {@link get}; what `options` says
   */
  async whole(base: string, path: string, options: CollectOptions): Promise<WholeAnswer> {
    return await this.#follow(base, path, {}, (request) => collect(this.#agent, request, options));
  }

  /** @param ask makes one request */
  async #follow<Answer extends Pick<WholeAnswer, 'statusCode' | 'headers'> | Dispatcher.ResponseData>(
    base: string,
    path: string,
    headers: Record<string, string>,
    ask: (request: Dispatcher.DispatchOptions & { origin: string }) => Promise<Answer>,
  ): Promise<Answer> {
    let url = new URL(`${base}/${path}`);
    for (let redirects = 0; ; redirects++) {
      const authorization =
        this.#authorization?.origin === url.origin ? { authorization: this.#authorization.header } : {};
      const response = await ask({
        origin: url.origin,
        path: url.pathname + url.search,
        method: 'GET',
        headers: { 'user-agent': 'headwater', ...headers, ...authorization },
      }).catch((error: unknown) => {
        throw requestError(error, url.href);
      });
      const { statusCode } = response;
      if (statusCode === 200 || statusCode === 206 || statusCode === 304) return response;
      if ('body' in response) await response.body.dump();
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

  async close(): Promise<void> {
    await this.#agent.destroy();
  }
}

function isRedirect(status: number): boolean {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
}

function refusal(
  url: URL,
  { statusCode, headers }: Pick<WholeAnswer, 'statusCode' | 'headers'>,
): HeadwaterError {
  const said = `${url.href}: the upstream answered ${statusCode}`;
  if (statusCode === 404 || statusCode === 410) return new HeadwaterError('not-found', said);
  if (statusCode === 416) return new WrongFile(`${said}: it has fewer bytes than are here`);
  if (statusCode === 401 || statusCode === 403) {
    return new HeadwaterError('forbidden', `${said}: it wants other credentials, or none may read this`);
  }
  if (passing.has(statusCode)) return new Passing(said, retryAfter(headers['retry-after']));
  return new HeadwaterError('invalid', said);
}

/** What an upstream sends is not the file that its document announces: what came of it is worth nothing. */
export class WrongFile extends HeadwaterError {
  constructor(message: string) {
    super('invalid', message);
  }
}

/** Whether an error is a {@link WrongFile}, or says where one was met. */
export function isWrongFile(error: unknown): error is HeadwaterError {
  return error instanceof WrongFile || (error instanceof HeadwaterError && error.cause instanceof WrongFile);
}

/** What anything that was thrown means to who asked for `what`. */
export function requestError(error: unknown, what: string): HeadwaterError {
  if (error instanceof HeadwaterError) return error;
  if (error instanceof Error && (error.name === 'AbortError' || codeOf(error) === 'UND_ERR_ABORTED')) {
    return new HeadwaterError('aborted', `${what}: interrupted`, { cause: error });
  }
  const code = codeOf(error);
  const reason = `${messageOf(error) || 'the connection failed'}${code === undefined ? '' : ` (${code})`}`;
  // A certificate that is not trusted will not be trusted the next time.
  const kind = /CERT|SELF_SIGNED|ALTNAME|UNABLE_TO_VERIFY/.test(code ?? '') ? 'invalid' : 'unavailable';
  return new HeadwaterError(kind, `${what}: the upstream does not answer: ${reason}`, { cause: error });
}
