import type { Access, Known } from '../access/access.ts';
import { isKind } from '../errors.ts';

/** How long a secret works, in milliseconds: a daemon looks at the image with it, then fetches, then perhaps again. */
const lifetime = 10 * 60_000;

/** What a secret opens: an image, as whoever made the secret sees it. */
interface Opened {
  fingerprint: string;
  issuer: Known;
}

/**
 * Secrets that each open one private image to whoever knows it: a client that may see the image makes one for a daemon
 * that may not. They live in memory, no longer than the operation that made them.
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

  /** What a secret opens; undefined for one that is unknown or over, or whose issuer was revoked. */
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
