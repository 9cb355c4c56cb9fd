import type { IncomingMessage } from 'node:http';
import type { Client, Clients } from '../catalog/clients.ts';
import { impliedAliases, type ProductKey, productName } from '../catalog/names.ts';
import type { Actor } from '../catalog/note-change.ts';
import { type Action, matchesPattern } from '../catalog/rights.ts';
import type { Token, Tokens } from '../catalog/tokens.ts';
import { HeadwaterError } from '../errors.ts';
import { peerCertificate } from './peer-certificate.ts';

/** Somebody that was let in: by the secret of a token, or by a TLS certificate that is trusted. */
export type Known = ({ kind: 'token' } & Token) | ({ kind: 'client' } & Client);

/** Who a request comes from: a token, a client, or anybody. */
export type Identity = Known | undefined;

/** What somebody wants to read or change, by the names that patterns may allow. */
export interface Named {
  /** A product is allowed by its name, and by the aliases that every such product gets. */
  product?: ProductKey;
  /** All of them must be allowed; to read, one is enough. */
  aliases?: readonly string[];
}

/** Who may do what. */
export class Access {
  readonly #tokens: Tokens;
  readonly #clients: Clients;
  readonly #isPublic: (stream: string) => boolean;

  constructor(known: { tokens: Tokens; clients: Clients }, isPublic: (stream: string) => boolean) {
    this.#tokens = known.tokens;
    this.#clients = known.clients;
    this.#isPublic = isPublic;
  }

  /**
   * Whose request it is. The secret of a token comes as a bearer token, or as the password of Basic credentials, which
   * is all that `https://anybody:SECRET@host` remotes of simplestreams clients can send. Without one, the certificate
   * of the connection counts; one that nobody trusts is the same as none.
   * @throws HeadwaterError `unauthorized` when credentials are given that are not valid
   */
  async identify(request: IncomingMessage): Promise<Identity> {
    const header = request.headers.authorization;
    if (header === undefined) {
      const certificate = peerCertificate(request.socket);
      if (certificate === undefined) return undefined;
      const client = await this.#clients.authenticate(certificate.fingerprint);
      return client === undefined ? undefined : { kind: 'client', ...client };
    }
    const secret = secretOf(header);
    const token = secret === undefined ? undefined : await this.#tokens.authenticate(secret);
    if (token === undefined) {
      throw new HeadwaterError('unauthorized', 'the token is not valid: it is unknown, expired or revoked');
    }
    return { kind: 'token', ...token };
  }

  isPublic(stream: string): boolean {
    return this.#isPublic(stream);
  }

  mayRead(identity: Identity, stream: string, named?: Named): boolean {
    return this.#isPublic(stream) || this.mayReadHidden(identity, stream, named);
  }

  /** Like {@link mayRead}, for what is not for everybody even in a public stream. */
  mayReadHidden(identity: Identity, stream: string, named?: Named): boolean {
    return this.#allows(identity, 'read', stream) && isNamed(identity, named, 'some');
  }

  /**
   * Like {@link demand}, for what belongs to no stream yet: allowed for some stream is enough.
   * @throws HeadwaterError `unauthorized`, `forbidden`
   */
  demandAny(identity: Identity, action: Action): Known {
    return this.demand(identity, action, identity?.streams?.[0]);
  }

  /**
   * @param stream the stream that is acted on; left out for what belongs to none
   * @param named what is acted on: a product that is allowed, or aliases that all are
   * @throws HeadwaterError `unauthorized` for anybody, `forbidden` for somebody who may not
   */
  demand(identity: Identity, action: Action, stream?: string, named?: Named): Known {
    if (identity === undefined) {
      throw new HeadwaterError(
        'unauthorized',
        `a token that allows "${action}" is needed: make one with "headwater token create"`,
      );
    }
    const { kind, name } = identity;
    if (!this.#allows(identity, action, stream)) {
      const where = stream === undefined ? '' : ` in the stream ${stream}`;
      throw new HeadwaterError('forbidden', `the ${kind} ${name} does not allow "${action}"${where}`);
    }
    if (!isNamed(identity, named, 'every')) {
      const { product, aliases = [] } = named ?? {};
      const what = [...(product === undefined ? [] : [productName(product)]), ...aliases].join(', ');
      throw new HeadwaterError(
        'forbidden',
        `the ${kind} ${name} is for the names ${identity.names?.join(', ')} only, not for ${what || 'what has no name'}`,
      );
    }
    return identity;
  }

  #allows(identity: Identity, action: Action, stream: string | undefined): boolean {
    if (identity === undefined) return false;
    const { actions, streams } = identity;
    // Whoever may change a stream may see it.
    const granted = actions.includes('admin') || actions.includes(action) || action === 'read';
    return granted && (streams === undefined || (stream !== undefined && streams.includes(stream)));
  }
}

/** Whether somebody may do everything, everywhere. */
export function isAdministrator(identity: Identity): boolean {
  return (
    identity?.actions.includes('admin') === true &&
    identity.streams === undefined &&
    identity.names === undefined
  );
}

/** Who acts, for the audit log. */
export function actorOf(identity: Identity, request: IncomingMessage): Actor {
  const who = identity === undefined ? 'anonymous' : `${identity.kind}:${identity.name}`;
  // IPv4 through a socket of IPv6 is written as ::ffff:192.0.2.1.
  const address = request.socket.remoteAddress?.replace(/^::ffff:(?=\d+\.)/, '');
  return { who, from: address ?? 'a closed connection' };
}

function isNamed(identity: Identity, named: Named | undefined, many: 'some' | 'every'): boolean {
  const patterns = identity?.names;
  if (patterns === undefined || named === undefined) return true;
  const isAllowed = (name: string) => patterns.some((pattern) => matchesPattern(pattern, name));
  const { product, aliases = [] } = named;
  if (product !== undefined && [productName(product), ...impliedAliases(product)].some(isAllowed))
    return true;
  return aliases.length > 0 && aliases[many](isAllowed);
}

function secretOf(header: string): string | undefined {
  const [, scheme = '', value = ''] = /^(\S+) +(\S+)$/.exec(header) ?? [];
  if (scheme.toLowerCase() === 'bearer') return value;
  if (scheme.toLowerCase() !== 'basic') return undefined;
  const credentials = Buffer.from(value, 'base64').toString();
  return credentials.slice(credentials.indexOf(':') + 1);
}
