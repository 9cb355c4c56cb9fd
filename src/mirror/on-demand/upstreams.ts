import type { MirrorDefinition } from '../../config/mirror-schema.ts';
import { HeadwaterError } from '../../errors.ts';
import type { Downloader } from '../upstream/downloader.ts';
import { openDownloader } from '../upstream/open-downloader.ts';

/** For how long a failure counts as the state of an upstream, in milliseconds. */
const failureLifetime = 5000;

/** The connections to the upstreams of mirrors, opened when first needed. */
export class UpstreamConnections {
  readonly #definitions: readonly MirrorDefinition[];
  readonly #signal: AbortSignal;
  readonly #downloaders = new Map<string, Promise<Downloader>>();
  readonly #failures = new Map<string, { at: number; reason: string }>();

  constructor(definitions: readonly MirrorDefinition[], signal: AbortSignal) {
    this.#definitions = definitions;
    this.#signal = signal;
  }

  /** @throws HeadwaterError `not-found` when there is no such mirror, `invalid` when a file it names cannot be read */
  async of(mirror: string): Promise<Downloader> {
    const known = this.#downloaders.get(mirror);
    if (known !== undefined) return await known;
    const definition = this.#definitions.find(({ name }) => name === mirror);
    if (definition === undefined) throw new HeadwaterError('not-found', `there is no mirror ${mirror}`);
    const opening = openDownloader(definition, {
      signal: this.#signal,
      onRetry: (reason) => this.#failures.set(mirror, { at: performance.now(), reason }),
    });
    this.#downloaders.set(mirror, opening);
    opening.catch(() => this.#downloaders.delete(mirror));
    return await opening;
  }

  /** The reason of a recent failure of an upstream, if there was one. */
  recentFailure(mirror: string): string | undefined {
    const failure = this.#failures.get(mirror);
    return failure !== undefined && performance.now() - failure.at < failureLifetime
      ? failure.reason
      : undefined;
  }

  async close(): Promise<void> {
    for (const opening of await Promise.allSettled(this.#downloaders.values())) {
      if (opening.status === 'fulfilled') await opening.value.close();
    }
  }
}
