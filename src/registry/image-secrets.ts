import type { Access, Known } from '../access/access.ts';
import { isKind } from '../errors.ts';

/**
 * How long a secret works, in milliseconds: a daemon reads the description of the image with it, then downloads, and
 * may retry.
 */
const lifetime = 10 * 60_000;

/** The image that a secret gives access to, as its issuer sees it. */
interface Opened {
  fingerprint: string;
  issuer: Known;
}

/**
 * Secrets that each give access to one private image: a client that may see the image creates one for a daemon that may
 * not. They are kept in memory, no longer than the operation that created them.
 */
export class Secrets {
  readonly lifetime = lifetime;
  readonly #secrets = new Map<string, Opened>();
  readonly #access: Access;

  constructor(access: Access) {
    this.#access = access;
  }

  add(secret: string, opened: Opened): void {
    this.#secrets.set(secret, opened);
  }

  remove(secret: string): void {
    this.#secrets.delete(secret);
  }

  /** The image of a secret; undefined when the secret is unknown or has expired, or its issuer was revoked. */
  async open(secret: string): Promise<Opened | undefined> {
    const opened = this.#secrets.get(secret);
    if (opened === undefined) return undefined;
    try {
      return { ...opened, issuer: await this.#access.renew(opened.issuer) };
    } catch (error) {
      if (isKind(error, 'forbidden')) return undefined;
      throw error;
    }
  }
}
