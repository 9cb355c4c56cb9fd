/** How long a secret works, in milliseconds: a daemon looks at the image with it, then fetches, then perhaps again. */
const lifetime = 10 * 60_000;

/**
 * Secrets that each open one private image to whoever knows it: a client that may see the image makes one for a daemon
 * that may not. They live in memory, no longer than the operation that made them.
 */
export class Secrets {
  readonly lifetime = lifetime;
  readonly #fingerprints = new Map<string, string>();

  add(secret: string, fingerprint: string): void {
    this.#fingerprints.set(secret, fingerprint);
  }

  remove(secret: string): void {
    this.#fingerprints.delete(secret);
  }

  /** The fingerprint of the image that a secret opens, or undefined. */
  fingerprintOf(secret: string): string | undefined {
    return this.#fingerprints.get(secret);
  }
}
