import type { Token } from '../../catalog/identities/tokens.ts';
import { HeadwaterError } from '../../errors.ts';

/**
 * Makes a join token for `remote add`, which accepts it in place of a URL or as `--token`. It contains the server's
 * addresses, the fingerprint of its certificate, and the secret.
 * @param options.fingerprint SHA-256 of the server's certificate; undefined if the server has no certificate
 * @param options.addresses `host:port`
 * @throws HeadwaterError `invalid` if clients cannot join
 */
export function encodeJoinToken(
  { name, expiresAt }: Pick<Token, 'name' | 'expiresAt'>,
  options: { secret: string; fingerprint: string | undefined; addresses: string[] },
): string {
  const { secret, fingerprint, addresses } = options;
  if (fingerprint === undefined) {
    throw new HeadwaterError(
      'invalid',
      'clients cannot join with "tls: off": the proxy that terminates TLS does not forward their certificates',
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

/** The secret in a client's message: given a token, LXD 5.0 sends the whole token, Incus only the secret. */
export function secretIn(text: string): string {
  if (!/^[A-Za-z0-9+/]+=*$/.test(text)) return text;
  try {
    const token: unknown = JSON.parse(Buffer.from(text, 'base64').toString());
    const secret =
      typeof token === 'object' && token !== null && 'secret' in token ? token.secret : undefined;
    return typeof secret === 'string' ? secret : text;
  } catch {
    // It is not a token, but a secret with the same letters.
    return text;
  }
}
