import { type Access, type Identity, keyOf } from '../../access/access.ts';
import { type Bearer, BearerTokens } from '../../oci/bearer-tokens.ts';
import type { Context } from '../context.ts';
import { identify } from '../identify.ts';
import { noteSender } from '../sender.ts';

/** The sender of a request, and the scopes of its bearer token. */
export interface Sender {
  identity: Identity;
  /** Whether the request has credentials, which those of an anonymous bearer token are, too. */
  hasCredentials: boolean;
  /** The scopes of a bearer token; other credentials have all that their rights allow. */
  scopes?: Bearer['scopes'];
}

/** @throws HeadwaterError `unauthorized` when credentials are given that are not valid */
export async function senderOfRequest(
  context: Context,
  { access, bearers }: { access: Access; bearers: BearerTokens },
): Promise<Sender> {
  const { authorization } = context.req.headers;
  const [, token] = /^bearer +(\S+)$/i.exec(authorization ?? '') ?? [];
  if (token !== undefined && BearerTokens.isToken(token)) {
    const bearer = await bearers.check(token);
    if (bearer.identity !== undefined) noteSender(context.req, keyOf(bearer.identity));
    return { ...bearer, hasCredentials: true };
  }
  if (hasNoPassword(authorization)) delete context.req.headers.authorization;
  const identity = await identify(access, context.req);
  return { identity, hasCredentials: identity !== undefined };
}

/** skopeo sends Basic credentials with an empty user and password when it has none. */
function hasNoPassword(authorization: string | undefined): boolean {
  const [, credentials] = /^basic +(\S+)$/i.exec(authorization ?? '') ?? [];
  return credentials !== undefined && /^[^:]*:?$/.test(Buffer.from(credentials, 'base64').toString());
}

/** Whether the sender's bearer token, if it has one, was issued for an action in a repository. */
export function coversAction({ scopes }: Sender, repository: string, action: 'pull' | 'push'): boolean {
  return (
    scopes === undefined ||
    scopes.some((scope) => scope.repository === repository && scope.actions.includes(action))
  );
}

/** The address of the token endpoint, as clients reach it, and the name of the service. */
export interface TokenAddress {
  realm: string;
  service: string;
}

/**
 * @param publicUrl the address of the server for clients, if it is configured; otherwise the one that this client used
 */
export function tokenAddress(context: Context, publicUrl: string | undefined): TokenAddress {
  const host = /^[\w.:[\]-]+$/.test(context.get('Host')) ? context.get('Host') : 'localhost';
  const scheme = 'encrypted' in context.req.socket ? 'https' : 'http';
  const base = publicUrl ?? `${scheme}://${host}`;
  return { realm: `${base}/v2/token`, service: new URL(base).host };
}

/** The value of `WWW-Authenticate` (https://distribution.github.io/distribution/spec/auth/token/). */
export function challengeOf({ realm, service }: TokenAddress, scope: string | undefined): string {
  return `Bearer realm="${realm}",service="${service}"${scope === undefined ? '' : `,scope="${scope}"`}`;
}
