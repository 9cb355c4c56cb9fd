import type { IncomingMessage } from 'node:http';
import { type Access, type Identity, keyOf } from '../access/access.ts';
import type { Actor } from '../catalog/database/audit-record.ts';
import { clientAddress } from './connection/client-address.ts';
import { peerCertificate } from './connection/peer-certificate.ts';
import { noteSender } from './sender.ts';

/**
 * Identifies the sender of a request. The secret of a token comes as a bearer token, or as the password of Basic
 * credentials, which is all that `https://anybody:SECRET@host` remotes of simplestreams clients can send. Without one,
 * the certificate of the connection counts; a certificate that is not trusted is the same as none.
 * @throws HeadwaterError `unauthorized` when credentials are given that are not valid
 */
export async function identify(access: Access, request: IncomingMessage): Promise<Identity> {
  const { authorization } = request.headers;
  const identity =
    authorization === undefined
      ? await access.ofCertificate(peerCertificate(request.socket)?.fingerprint)
      : await access.ofToken(secretOf(authorization));
  if (identity !== undefined) noteSender(request, keyOf(identity));
  return identity;
}

/** The sender of a request as the author of changes in the catalog. */
export function actorOf(access: Access, identity: Identity, request: IncomingMessage): Actor {
  return access.actor(identity, clientAddress(request));
}

function secretOf(header: string): string | undefined {
  const [, scheme = '', value = ''] = /^(\S+) +(\S+)$/.exec(header) ?? [];
  if (scheme.toLowerCase() === 'bearer') return value;
  if (scheme.toLowerCase() !== 'basic') return undefined;
  const credentials = Buffer.from(value, 'base64').toString();
  return credentials.slice(credentials.indexOf(':') + 1);
}
