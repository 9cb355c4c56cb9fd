import type { HeadwaterError } from '../../errors.ts';

/** For how long a failed address is tried after the others, in milliseconds. */
const failureLifetime = 60_000;

/** The addresses of an upstream, in the order in which to try them. */
export class FallbackUrls {
  readonly #urls: readonly string[];
  /** When each address last failed, in the time of `performance.now()`. */
  readonly #failedAt = new Map<string, number>();

  /** @param urls the preferred one, then fallbacks */
  constructor(urls: readonly string[]) {
    this.#urls = urls;
  }

  /** All addresses; those that failed in the last minute come last. */
  inOrder(): string[] {
    if (this.#failedAt.size === 0) return [...this.#urls];
    const since = performance.now() - failureLifetime;
    const failing = new Set(this.#urls.filter((base) => (this.#failedAt.get(base) ?? since) > since));
    return [...this.#urls.filter((base) => !failing.has(base)), ...failing];
  }

  failed(base: string, failure: HeadwaterError): void {
    if (failure.kind === 'unavailable') this.#failedAt.set(base, performance.now());
  }

  answered(base: string): void {
    this.#failedAt.delete(base);
  }
}

/** Of the failures of several addresses, the one to report: a temporary one if there is one, because a retry may help. */
export function errorToReport(failures: readonly HeadwaterError[]): HeadwaterError {
  const [first] = failures;
  if (first === undefined) throw new Error('an upstream has no address');
  return failures.find(({ kind }) => kind === 'unavailable') ?? first;
}
