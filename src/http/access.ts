import type { IncomingMessage } from 'node:http';
import type { Action, Token, Tokens } from '../catalog/tokens.ts';
import { HeadwaterError } from '../errors.ts';

/** Who a request comes from: a token, or anybody. */
export type Identity = Token | undefined;

/** Who may do what. */
export class Access {
  readonly #tokens: Tokens;
  readonly #isPublic: (stream: string) => boolean;

  constructor(tokens: Tokens, isPublic: (stream: string) => boolean) {
    this.#tokens = tokens;
    this.#isPublic = isPublic;
  }

  /**
   * Whose request it is. The secret comes as a bearer token, or as the password of Basic credentials, which is all
   * that `https://anybody:SECRET@host` remotes of simplestreams clients can send.
   * @throws HeadwaterError `unauthorized` when credentials are given that are not valid
   */
  async identify(request: IncomingMessage): Promise<Identity> {
    const header = request.headers.authorization;
    if (header === undefined) return undefined;
    const secret = secretOf(header);
    const token = secret === undefined ? undefined : await this.#tokens.authenticate(secret);
    if (token === undefined) {
      throw new HeadwaterError('unauthorized', 'the token is not valid: it is unknown, expired or revoked');
    }
    return token;
  }

  isPublic(stream: string): boolean {
    return this.#isPublic(stream);
  }

  mayRead(identity: Identity, stream: string): boolean {
    return this.#isPublic(stream) || this.#allows(identity, 'read', stream);
  }

  /**
   * Like {@link demand}, for what belongs to no stream yet: allowed for some stream is enough.
   * @throws HeadwaterError `unauthorized`, `forbidden`
   */
  demandAny(identity: Identity, action: Action): Token {
    return this.demand(identity, action, identity?.streams?.[0]);
  }

  /**
   * @param stream the stream that is acted on; left out for what belongs to none
   * @throws HeadwaterError `unauthorized` without a token, `forbidden` with one that does not allow it
   */
  demand(identity: Identity, action: Action, stream?: string): Token {
    if (identity === undefined) {
      throw new HeadwaterError(
        'unauthorized',
        `a token that allows "${action}" is needed: make one with "headwater token create"`,
      );
    }
    if (this.#allows(identity, action, stream)) return identity;
    const where = stream === undefined ? '' : ` in the stream ${stream}`;
    throw new HeadwaterError('forbidden', `the token ${identity.name} does not allow "${action}"${where}`);
  }

  #allows(identity: Identity, action: Action, stream: string | undefined): boolean {
    if (identity === undefined) return false;
    const { actions, streams } = identity;
    // Whoever may change a stream may see it.
    const granted = actions.includes('admin') || actions.includes(action) || action === 'read';
    return granted && (streams === undefined || (stream !== undefined && streams.includes(stream)));
  }
}

function secretOf(header: string): string | undefined {
  const [, scheme = '', value = ''] = /^(\S+) +(\S+)$/.exec(header) ?? [];
  if (scheme.toLowerCase() === 'bearer') return value;
  if (scheme.toLowerCase() !== 'basic') return undefined;
  const credentials = Buffer.from(value, 'base64').toString();
  return credentials.slice(credentials.indexOf(':') + 1);
}
