import type { Token } from '../../catalog/identities/tokens.ts';
import { HeadwaterError } from '../../errors.ts';

/**
 * Writes a join token as `remote add` takes it, in place of a URL or as its `--token`: where the server is, how to know
 * that it is the right one, and the secret.
 * @param options.fingerprint SHA-256 of the server's certificate; undefined where it has none of its own
 * @param options.addresses `host:port`
 * @throws HeadwaterError `invalid` where clients cannot join
 */
export function encodeJoinToken(
  { name, expiresAt }: Pick<Token, 'name' | 'expiresAt'>,
  options: { secret: string; fingerprint: string | undefined; addresses: string[] },
): string {
  const { secret, fingerprint, addresses } = options;
  if (fingerprint === undefined) {
    throw new HeadwaterError(
      'invalid',
      'clients cannot join with "tls: off": the proxy that does TLS keeps their certificates to itself',
    );
  }
  const token = {
    client_name: name,
    fingerprint,
    addresses,
    secret,
    // Go's zero time means never.
    expires_at: expiresAt?.toISOString() ?? '0001-01-01T00:00:00Z',
  };
  return Buffer.from(JSON.stringify(token)).toString('base64');
}

/** The secret in what a client sends: LXD 5.0 sends the whole token where it was given one, Incus its secret only. */
export function secretIn(text: string): string {
  if (!/^[A-Za-z0-9+/]+=*$/.test(text)) return text;
  try {
    const token: unknown = JSON.parse(Buffer.from(text, 'base64').toString());
    const secret =
      typeof token === 'object' && token !== null && 'secret' in token ? token.secret : undefined;
    return typeof secret === 'string' ? secret : text;
  } catch {
    // It is no token, but a secret that has the letters of one.
    return text;
  }
}
