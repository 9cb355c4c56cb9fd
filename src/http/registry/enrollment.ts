import { timingSafeEqual } from 'node:crypto';
import type { Catalog } from '../../catalog/catalog.ts';
import type { Client } from '../../catalog/clients.ts';
import { grant } from '../../catalog/rights.ts';
import { hashOf } from '../../catalog/tokens.ts';
import { HeadwaterError } from '../../errors.ts';
import type { PeerCertificate } from '../peer-certificate.ts';
import { secretIn } from './join-token.ts';

/** Wrong secrets of one address within a minute before none is looked at any more. */
const attemptsAllowed = 10;
const attemptsForgotten = 60_000;
/** How many addresses are remembered. */
const mostAddresses = 10_000;

/** Lets clients in that know a secret. */
export class Enrollment {
  readonly #sharedSecret: string | undefined;
  readonly #pushedTo: string;
  readonly #attempts = new Map<string, { count: number; since: number }>();

  constructor(options: { sharedSecret: string | undefined; pushedTo: string }) {
    this.#sharedSecret = options.sharedSecret;
    this.#pushedTo = options.pushedTo;
  }

  /**
   * Trusts the certificate of a client that shows the secret of a join token, or the shared one.
   * @param catalog in whose audit log the client is
   * @param options.name what the client calls itself; a join token names it otherwise
   * @throws HeadwaterError `forbidden` for a wrong secret, or after too many of them; `conflict`
   */
  async join(
    catalog: Catalog,
    certificate: PeerCertificate,
    options: { secret: string; name: string; address: string },
  ): Promise<Client> {
    this.#assertPatience(options.address);
    const secret = secretIn(options.secret);
    try {
      if (this.#isShared(secret)) return await this.#joinShared(catalog, certificate, options.name);
      const { fingerprint, pem } = certificate;
      return await catalog.clients.join(hashOf(secret), { fingerprint, certificate: pem });
    } catch (error) {
      if (error instanceof HeadwaterError && error.kind === 'forbidden') this.#count(options.address);
      throw error;
    }
  }

  async #joinShared(catalog: Catalog, { fingerprint, pem }: PeerCertificate, said: string): Promise<Client> {
    const known = await catalog.clients.authenticate(fingerprint);
    // What an administrator gave it is more than the secret gives.
    if (known !== undefined) return known;
    const short = fingerprint.slice(0, 12);
    const name = said === '' ? `client-${short}` : said;
    const rights = grant('join', {}, { pushedTo: this.#pushedTo });
    const taken = (await catalog.clients.list()).some(
      (client) => client.name === name && client.revokedAt === undefined,
    );
    return await catalog.clients.add({
      name: taken ? `${name}-${short}` : name,
      fingerprint,
      certificate: pem,
      ...rights,
    });
  }

  #isShared(secret: string): boolean {
    if (this.#sharedSecret === undefined) return false;
    return timingSafeEqual(Buffer.from(hashOf(secret)), Buffer.from(hashOf(this.#sharedSecret)));
  }

  #assertPatience(address: string): void {
    const attempt = this.#attempts.get(address);
    if (attempt === undefined) return;
    if (performance.now() - attempt.since > attemptsForgotten) this.#attempts.delete(address);
    else if (attempt.count >= attemptsAllowed) {
      throw new HeadwaterError('forbidden', 'not authorized: too many wrong secrets, try again in a minute');
    }
  }

  #count(address: string): void {
    const attempt = this.#attempts.get(address) ?? { count: 0, since: performance.now() };
    attempt.count++;
    this.#attempts.set(address, attempt);
    if (this.#attempts.size <= mostAddresses) return;
    const [oldest] = this.#attempts.keys();
    if (oldest !== undefined) this.#attempts.delete(oldest);
  }
}
