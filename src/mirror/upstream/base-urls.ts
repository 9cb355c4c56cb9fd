import type { HeadwaterError } from '../../errors.ts';

/** How long what an address is not asked first after it failed, in milliseconds. */
const distrust = 60_000;

/** The addresses of an upstream, those that answer first. */
export class FallbackUrls {
  readonly #bases: readonly string[];
  /** When an address last failed, by the clock of `performance`. */
  readonly #failedAt = new Map<string, number>();

  /** @param bases the one that is preferred, then fallbacks */
  constructor(bases: readonly string[]) {
    this.#bases = bases;
  }

  /** In which order to ask: those that failed in the last minute come last. */
  inOrder(): string[] {
    if (this.#failedAt.size === 0) return [...this.#bases];
    const since = performance.now() - distrust;
    const failing = new Set(this.#bases.filter((base) => (this.#failedAt.get(base) ?? since) > since));
    return [...this.#bases.filter((base) => !failing.has(base)), ...failing];
  }

  failed(base: string, failure: HeadwaterError): void {
    if (failure.kind === 'unavailable') this.#failedAt.set(base, performance.now());
  }

  answered(base: string): void {
    this.#failedAt.delete(base);
  }
}

/** The failure that says most of several addresses: one that may pass, because then asking again may help. */
export function mostTelling(failures: readonly HeadwaterError[]): HeadwaterError {
  const [first] = failures;
  if (first === undefined) throw new Error('an upstream has no address');
  return failures.find(({ kind }) => kind === 'unavailable') ?? first;
}
