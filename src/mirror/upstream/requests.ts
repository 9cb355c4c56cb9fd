import { type Dispatcher, EnvHttpProxyAgent, Pool } from 'undici';
import { codeOf, HeadwaterError, messageOf, quotable } from '../../errors.ts';
import { defined } from '../../model/defined.ts';
import { type CollectedResponse, type CollectOptions, collectResponse } from './collect-response.ts';
import { type AddressRules, GuardedConnect, RefusedAddress } from './guarded-connect.ts';
import { Redirects } from './redirects.ts';
import { WrongBytes } from './retry-elsewhere.ts';
import { trustedCertificates } from './trusted-certificates.ts';

/** An upstream server. */
export interface Upstream {
  /** The address, then fallbacks; without a slash at the end. */
  bases: string[];
  /** Certificates in PEM to trust, besides those of the system. */
  ca?: string;
  /** For the address only: not for fallbacks or redirects. */
  credentials?: { user: string; password: string };
  /** Hosts that it may redirect to, besides its own. */
  redirects?: readonly string[];
  /** The most connections at a time. */
  concurrency: number;
  /** Bytes per second, for all connections together. */
  bandwidth?: number;
}

const maxRedirects = 5;

/** Milliseconds. */
const timeouts = { connect: 15_000, idle: 60_000 };

/** Status codes of temporary failures (RFC 9110, section 15). */
const transientStatuses = new Set([408, 425, 429, 500, 502, 503, 504]);

/** The longest wait that Retry-After can ask for, in milliseconds. */
const maxRetryAfter = 120_000;

/** The milliseconds of a Retry-After header, which gives seconds or a date (RFC 9110, section 10.2.3). */
export function retryAfter(header: string | string[] | undefined, now = Date.now()): number | undefined {
  if (typeof header !== 'string') return undefined;
  const delay = /^\d+$/.test(header) ? Number(header) * 1000 : Math.max(0, Date.parse(header) - now);
  return Number.isNaN(delay) ? undefined : Math.min(delay, maxRetryAfter);
}

/** A refusal that a retry may overcome. */
export class TransientRefusal extends HeadwaterError {
  /** How long the upstream asks to wait, in milliseconds. */
  readonly after: number | undefined;

  constructor(message: string, after: number | undefined) {
    super('unavailable', message);
    this.after = after;
  }
}

/**
 * Makes single requests to an upstream, over persistent connections. Redirects are followed as far as the definition
 * allows; each address is checked when it is connected to. A proxy resolves names itself, so behind one only names can
 * be checked.
 */
export class UpstreamRequests {
  readonly #guard: GuardedConnect;
  readonly #redirects: Redirects;
  /** For the addresses of the definition, and for redirects of an upstream on a private network. */
  readonly #agent: Dispatcher;
  /** For redirects of all other upstreams; created by the first one. */
  #publicAgent: Dispatcher | undefined;
  readonly #makePublicAgent: () => Dispatcher;
  readonly #authorization: { origin: string; header: string } | undefined;

  /** @param options.idle milliseconds without a byte after which an answer counts as broken */
  constructor(upstream: Upstream, options: { idle?: number; addresses?: AddressRules } = {}) {
    const { bases, credentials, concurrency, redirects = [] } = upstream;
    const idle = options.idle ?? timeouts.idle;
    // An upstream without TLS may redirect to its own address with it.
    const isSecure = bases.some((base) => base.startsWith('https:')) || upstream.ca !== undefined;
    const trust = isSecure ? { ca: trustedCertificates(upstream.ca) } : {};
    const connect = { ...trust, timeout: timeouts.connect };
    this.#guard = new GuardedConnect(options.addresses);
    this.#redirects = new Redirects(redirects, this.#guard);
    const limits = { connections: concurrency, headersTimeout: idle, bodyTimeout: idle };
    // Proxies are named by HTTPS_PROXY, HTTP_PROXY and NO_PROXY.
    const agent = (connector: ReturnType<GuardedConnect['named']>) =>
      new EnvHttpProxyAgent({
        ...limits,
        connect: connector,
        requestTls: trust,
        // A request for http goes to the proxy as it is, as with curl: most proxies allow CONNECT to port 443 only.
        proxyTunnel: false,
        // The pool of connections to the proxy would have no limits.
        factory: (origin, options) => new Pool(origin, { ...limits, ...options }),
      });
    this.#agent = agent(this.#guard.named(connect));
    this.#makePublicAgent = () => agent(this.#guard.publicOnly(connect));
    if (credentials === undefined) return;
    const { user, password } = credentials;
    const header = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
    this.#authorization = { origin: new URL(bases[0] ?? '').origin, header };
  }

  /**
   * Requests a path below an address, and follows redirects.
   * @returns a response of status 200, 206 or 304
   * @throws HeadwaterError for any other status ({@link TransientRefusal} for temporary ones); `unavailable`, `aborted`
   */
  async get(
    base: string,
    path: string,
    headers: Record<string, string>,
    signal: AbortSignal | undefined,
  ): Promise<Dispatcher.ResponseData> {
    return await this.#follow(base, path, headers, (agent, request) =>
      agent.request({ ...request, ...defined({ signal }) }),
    );
  }

  /**
   * Requests a small file below an address, as {@link get}.
   * @throws HeadwaterError as {@link get}; the errors of `options`
   */
  async collect(base: string, path: string, options: CollectOptions): Promise<CollectedResponse> {
    return await this.#follow(base, path, {}, (agent, request) => collectResponse(agent, request, options));
  }

  /** @param ask makes one request */
  async #follow<Answer extends Pick<CollectedResponse, 'statusCode' | 'headers'> | Dispatcher.ResponseData>(
    base: string,
    path: string,
    headers: Record<string, string>,
    ask: (agent: Dispatcher, request: Dispatcher.DispatchOptions & { origin: string }) => Promise<Answer>,
  ): Promise<Answer> {
    // URL removes spaces at the end.
    const asked = new URL(`${base}/${path.replaceAll(' ', '%20')}`);
    let url = asked;
    let agent = this.#agent;
    for (let redirects = 0; ; redirects++) {
      const where = url === asked ? asked.href : `${asked.href} (redirected to ${url.host.slice(0, 260)})`;
      const authorization =
        this.#authorization?.origin === url.origin ? { authorization: this.#authorization.header } : {};
      const response = await ask(agent, {
        origin: url.origin,
        path: url.pathname + url.search,
        method: 'GET',
        headers: { 'user-agent': 'headwater', ...headers, ...authorization },
      }).catch((error: unknown) => {
        throw error instanceof RefusedAddress ? error.within(where) : requestError(error, where);
      });
      const { statusCode } = response;
      if (statusCode === 200 || statusCode === 206 || statusCode === 304) return response;
      if ('body' in response) await response.body.dump();
      if (!isRedirect(statusCode)) throw refusal(where, response);
      if (redirects >= maxRedirects) {
        throw new HeadwaterError('invalid', `${asked.href}: redirects more than ${maxRedirects} times`);
      }
      const location = response.headers['location'];
      const next = this.#redirects.follow(typeof location === 'string' ? location : undefined, {
        asked,
        at: url,
      });
      url = next.url;
      agent = next.mayBeInternal ? this.#agent : this.#forPublic();
    }
  }

  #forPublic(): Dispatcher {
    this.#publicAgent ??= this.#makePublicAgent();
    return this.#publicAgent;
  }

  async close(): Promise<void> {
    await Promise.all([this.#agent.destroy(), this.#publicAgent?.destroy()]);
  }
}

function isRedirect(status: number): boolean {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
}

function refusal(
  where: string,
  { statusCode, headers }: Pick<CollectedResponse, 'statusCode' | 'headers'>,
): HeadwaterError {
  const said = `${where}: the upstream answered ${statusCode}`;
  if (statusCode === 404 || statusCode === 410) return new HeadwaterError('not-found', said);
  if (statusCode === 416) return new WrongBytes(`${said}: it has fewer bytes than were fetched before`);
  if (statusCode === 401 || statusCode === 403) {
    return new HeadwaterError('forbidden', `${said}: check the credentials`);
  }
  if (transientStatuses.has(statusCode))
    return new TransientRefusal(said, retryAfter(headers['retry-after']));
  return new HeadwaterError('invalid', said);
}

/** Converts anything that a request for `what` threw. */
export function requestError(error: unknown, what: string): HeadwaterError {
  if (error instanceof HeadwaterError) return error;
  const refused = /^Proxy (?:response|Authentication Required) \((\d+)\)/.exec(messageOf(error))?.[1];
  if (refused !== undefined) {
    const said = `${what}: the proxy answered ${refused}: check HTTPS_PROXY, HTTP_PROXY and NO_PROXY`;
    // A retry does not bring the right password.
    return new HeadwaterError(refused === '407' ? 'forbidden' : 'unavailable', said, { cause: error });
  }
  if (error instanceof Error && (error.name === 'AbortError' || codeOf(error) === 'UND_ERR_ABORTED')) {
    return new HeadwaterError('aborted', `${what}: interrupted`, { cause: error });
  }
  const code = codeOf(error);
  const reason = `${failureText(error, code)}${code === undefined ? '' : ` (${code})`}`;
  // A retry does not make a certificate trusted.
  const kind = /CERT|SELF_SIGNED|ALTNAME|UNABLE_TO_VERIFY/.test(code ?? '') ? 'invalid' : 'unavailable';
  return new HeadwaterError(kind, `${what}: the upstream does not answer: ${reason}`, { cause: error });
}

function failureText(error: unknown, code: string | undefined): string {
  // The message of Node.js would list the names in the certificate.
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return 'its certificate is for other hosts';
  return quotable(messageOf(error)) || 'the connection failed';
}
