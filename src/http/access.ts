import type { IncomingMessage } from 'node:http';
import type { Client, Clients } from '../catalog/clients.ts';
import type { Actor } from '../catalog/note-change.ts';
import { type Action, matchesPattern } from '../catalog/rights.ts';
import type { Token, Tokens } from '../catalog/tokens.ts';
import { HeadwaterError } from '../errors.ts';
import { peerCertificate } from './peer-certificate.ts';

/** Somebody that was let in: by the secret of a token, or by a TLS certificate that is trusted. */
export type Known = ({ kind: 'token' } & Token) | ({ kind: 'client' } & Client);

/** Who a request comes from: a token, a client, or anybody. */
export type Identity = Known | undefined;

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

  /** @param names what the product is called: its name and its aliases; one that is allowed is enough */
  mayRead(identity: Identity, stream: string, names?: readonly string[]): boolean {
    if (this.#isPublic(stream)) return true;
    return this.#allows(identity, 'read', stream) && isNamed(identity, names, 'some');
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
   * @param names the names of what is acted on: all of them must be allowed
   * @throws HeadwaterError `unauthorized` for anybody, `forbidden` for somebody who may not
   */
  demand(identity: Identity, action: Action, stream?: string, names?: readonly string[]): Known {
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
    if (!isNamed(identity, names, 'every')) {
      throw new HeadwaterError(
        'forbidden',
        `the ${kind} ${name} is for the names ${identity.names?.join(', ')} only, not for ${names?.join(', ')}`,
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

/** Who acts, for the audit log. */
export function actorOf(identity: Identity, request: IncomingMessage): Actor {
  const who = identity === undefined ? 'anonymous' : `${identity.kind}:${identity.name}`;
  // IPv4 through a socket of IPv6 is written as ::ffff:192.0.2.1.
  const address = request.socket.remoteAddress?.replace(/^::ffff:(?=\d+\.)/, '');
  return { who, from: address ?? 'a closed connection' };
}

function isNamed(identity: Identity, names: readonly string[] | undefined, many: 'some' | 'every'): boolean {
  const patterns = identity?.names;
  if (patterns === undefined || names === undefined) return true;
  return names[many]((name) => patterns.some((pattern) => matchesPattern(pattern, name)));
}

function secretOf(header: string): string | undefined {
  const [, scheme = '', value = ''] = /^(\S+) +(\S+)$/.exec(header) ?? [];
  if (scheme.toLowerCase() === 'bearer') return value;
  if (scheme.toLowerCase() !== 'basic') return undefined;
  const credentials = Buffer.from(value, 'base64').toString();
  return credentials.slice(credentials.indexOf(':') + 1);
}
