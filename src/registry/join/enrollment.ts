import { timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import { ExpiringMap } from '../../async/expiring-map.ts';
import type { Catalog } from '../../catalog/catalog.ts';
import type { Client } from '../../catalog/identities/clients.ts';
import { hashOf, isTokenSecret } from '../../catalog/identities/tokens.ts';
import { HeadwaterError, isKind, LimitError } from '../../errors.ts';
import { grant } from '../../model/rights.ts';
import { secretIn } from './join-token.ts';

/** After this many wrong secrets from one network within a minute, the shared secret is refused there. */
const maxAttempts = 10;
/** How long after its first wrong secret a network's attempts are counted, in milliseconds. */
const attemptsLifetime = 60_000;
/** The number of networks whose attempts are counted; beyond it, the oldest are forgotten. */
const maxNetworks = 10_000;

/** Lets clients join that know a secret. */
export class Enrollment {
  readonly #sharedSecret: string | undefined;
  readonly #pushedTo: string;
  /** Wrong secrets of each network. */
  readonly #attempts = new ExpiringMap<string, { count: number }>(attemptsLifetime, {
    maxEntries: maxNetworks,
  });

  constructor(options: { sharedSecret: string | undefined; pushedTo: string }) {
    this.#sharedSecret = options.sharedSecret;
    this.#pushedTo = options.pushedTo;
  }

  /**
   * Trusts the certificate of a client that sends the secret of a join token, or the shared secret. The 256 random bits
   * of a token cannot be guessed, so a valid token is always accepted; the shared secret is refused after too many
   * guesses.
   * @param catalog the catalog, with the client as the author of the change
   * @param options.name the client's own name, for the shared secret; a join token gives the name itself
   * @throws HeadwaterError `forbidden` for a wrong secret, or after too many of them; `conflict`
   */
  async join(
    catalog: Catalog,
    { fingerprint, pem }: { fingerprint: string; pem: string },
    options: { secret: string; name: string; address: string },
  ): Promise<Client> {
    const secret = secretIn(options.secret);
    const from = networkOf(options.address);
    const isBlocked = this.#hasTooManyAttempts(from);
    if (this.#isShared(secret) && !isBlocked) {
      const name = options.name || `client-${fingerprint.slice(0, 12)}`;
      const rights = grant('join', {}, { pushedTo: this.#pushedTo });
      return await catalog.clients.add({ name, fingerprint, certificate: pem, ...rights });
    }
    try {
      return await catalog.clients.join(hashOf(secret), { fingerprint, certificate: pem });
    } catch (error) {
      if (!isKind(error, 'forbidden')) throw error;
      this.#count(from);
      throw isBlocked ? tooMany() : wrong(secret, error);
    }
  }

  #isShared(secret: string): boolean {
    const shared = this.#sharedSecret ?? '';
    const isSame = timingSafeEqual(Buffer.from(hashOf(secret)), Buffer.from(hashOf(shared)));
    return isSame && shared !== '';
  }

  #hasTooManyAttempts(from: string): boolean {
    return (this.#attempts.get(from)?.count ?? 0) >= maxAttempts;
  }

  #count(from: string): void {
    const attempts = this.#attempts.get(from);
    // Setting it again would begin another minute.
    if (attempts === undefined) this.#attempts.set(from, { count: 1 });
    else attempts.count++;
  }
}

function tooMany(): HeadwaterError {
  return new LimitError(
    'joinAttempts',
    'forbidden',
    'not authorized: too many wrong secrets: use a join token, or try again in a minute',
  );
}

/** The error of a wrong secret, for the person who typed it. */
function wrong(secret: string, refusal: HeadwaterError): HeadwaterError {
  if (isTokenSecret(secret)) return refusal;
  return new HeadwaterError(
    'forbidden',
    'not authorized: the secret is wrong: give the shared secret of this server, or a join token',
    { cause: refusal },
  );
}

/**
 * The network whose guesses are counted together: an IPv4 address, or a /64 of IPv6, because every host has 2^64
 * addresses.
 */
export function networkOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '');
  if (isIP(plain) !== 6) return plain;
  const [first = '', last] = (plain.split('%')[0] ?? '').split('::');
  const groups = (text: string) => (text === '' ? [] : text.split(':'));
  const [before, after] = [groups(first), groups(last ?? '')];
  const zeros = last === undefined ? 0 : 8 - before.length - after.length;
  const all = [...before, ...Array<string>(Math.max(0, zeros)).fill('0'), ...after];
  return all
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':');
}
