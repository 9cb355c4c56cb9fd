import { setTimeout as sleep } from 'node:timers/promises';
import type { Dispatcher } from 'undici';
import { type Backoff, delayBefore } from '../../async/backoff.ts';
import { RateLimit } from '../../async/rate-limit.ts';
import { HeadwaterError } from '../../errors.ts';
import { defined } from '../../model/defined.ts';
import { FallbackUrls, mostTelling } from './base-urls.ts';
import type { Validators } from './documents.ts';
import type { AddressRules } from './guarded-connect.ts';
import { Passing, requestError, type Upstream, UpstreamRequests } from './requests.ts';
import { bytesToSkip, orDiscard, rangeFrom, tooLong, validatorOf, validatorsOf, whole } from './responses.ts';

const defaultBackoff: Backoff = { attempts: 6, firstDelay: 500, longestDelay: 30_000 };

/** A file of an upstream. */
export interface UpstreamFile {
  /** Below the base, checked (`upstream-path.ts`). */
  path: string;
  /** Bytes. */
  size: number;
}

/** Which bytes of a file are here already. */
export interface Beginning {
  /** Bytes. */
  offset: number;
  /** Whose bytes they are, when that is known. */
  origin?: FileOrigin;
}

/** Whose bytes they are that come of a file, and which ones of it: for a request that goes on with them. */
export interface FileOrigin {
  base: string;
  /** A strong ETag, or the time of the last change. */
  validator: string;
}

export interface ReadOptions extends Partial<Beginning> {
  signal?: AbortSignal;
  /** Ask the addresses in another order: what the first one sent was wrong. */
  elsewhere?: boolean;
  /** Told whose bytes come, before they do. Must not fail. */
  onOrigin?: (origin: FileOrigin) => Promise<void>;
}

export interface DownloaderOptions {
  signal?: AbortSignal;
  /** Told why a request is made once more. */
  onRetry?: (reason: string) => void;
  backoff?: Backoff;
  /** Milliseconds without a byte after which an answer counts as broken. */
  idle?: number;
  /** How addresses of hosts are found and judged; the system's way when left out. */
  addresses?: AddressRules;
}

/** Asks an upstream for documents and files, and does not give up at once. */
export class Downloader {
  readonly #bases: FallbackUrls;
  readonly #options: DownloaderOptions;
  readonly #backoff: Backoff;
  readonly #requests: UpstreamRequests;
  readonly #rateLimit: RateLimit | undefined;

  constructor(upstream: Upstream, options: DownloaderOptions = {}) {
    this.#bases = new FallbackUrls(upstream.bases);
    this.#options = options;
    this.#backoff = options.backoff ?? defaultBackoff;
    this.#requests = new UpstreamRequests(upstream, options);
    if (upstream.bandwidth !== undefined) this.#rateLimit = new RateLimit(upstream.bandwidth);
  }

  /**
   * A document, unless it is as it was known.
   * @throws HeadwaterError `not-found`; `invalid`; `unavailable` when the upstream cannot be reached
   */
  async document(
    path: string,
    known: Validators = {},
  ): Promise<{ changed: false } | { changed: true; bytes: Buffer; validators: Validators }> {
    const headers = defined({ 'if-none-match': known.etag, 'if-modified-since': known.lastModified });
    const { signal } = this.#options;
    return await this.#ask({ path, elsewhere: false, signal }, async (base) => {
      const response = await this.#get(base, path, headers, signal);
      if (response.statusCode === 304) {
        await response.body.dump();
        return { changed: false };
      }
      const bytes = await whole(response, path);
      return { changed: true, bytes, validators: validatorsOf(response) };
    });
  }

  /**
   * The bytes of a small file, when all of them have come.
   * @param options.onReceived told of bytes that came, also of those that go for nothing
   * @throws HeadwaterError as {@link read}
   */
  async bytes(
    { path, size }: UpstreamFile,
    options: Pick<ReadOptions, 'signal' | 'elsewhere'> & { onReceived?: (bytes: number) => void } = {},
  ): Promise<Buffer> {
    const { elsewhere = false, onReceived } = options;
    const signal = either(options.signal, this.#options.signal);
    const most = { bytes: size, error: () => tooLong(path, size) };
    return await this.#ask({ path, elsewhere, signal }, async (base) => {
      const answer = await this.#requests.whole(base, path, {
        most,
        ...defined({ signal, onReceived }),
      });
      this.#bases.answered(base);
      bytesToSkip(answer, { path, size, at: 0 }, undefined);
      const { bytes } = answer;
      await this.#rateLimit?.take(bytes.length, signal);
      if (bytes.length < size) throw incomplete(path, bytes.length, size);
      return bytes;
    });
  }

  /**
   * The bytes of a file. A connection that breaks is made anew behind the reader's back, and goes on where it broke.
   * @throws HeadwaterError `not-found`; `invalid` (`WrongBytes`) when it is not the file that was announced;
   * `unavailable`
   */
  async *read(file: UpstreamFile, options: ReadOptions = {}): AsyncGenerator<Uint8Array> {
    const { path, size } = file;
    const signal = either(options.signal, this.#options.signal);
    let { offset: at = 0, origin } = options;
    for (let tries = 1; at < size; tries++) {
      const failures: HeadwaterError[] = [];
      const before = at;
      for (const base of this.#basesFor(origin, options.elsewhere === true)) {
        try {
          const validator = origin?.base === base ? origin.validator : undefined;
          const response = await this.#get(base, path, rangeFrom(at, validator), signal);
          let skip = orDiscard(response, () => bytesToSkip(response, { path, size, at }, validator));
          origin = originOf(response, base);
          if (origin !== undefined) await options.onOrigin?.(origin);
          for await (const chunk of response.body as AsyncIterable<Buffer>) {
            const fresh = chunk.subarray(skip);
            skip -= chunk.length - fresh.length;
            if (fresh.length === 0) continue;
            if (at + fresh.length > size) throw tooLong(path, size);
            await this.#rateLimit?.take(fresh.length, signal);
            at += fresh.length;
            yield fresh;
          }
          if (at === size) return;
          throw incomplete(path, at, size);
        } catch (error) {
          failures.push(this.#note(error, base, path));
          // Who gave some of it may give the rest.
          if (at > before) break;
        }
      }
      if (at > before) tries = 1;
      await this.#waitOrGiveUp(tries, mostTelling(failures), signal);
    }
  }

  async close(): Promise<void> {
    await this.#requests.close();
  }

  /** Asks one address after the other, and all of them again after a while. @throws what `ask` fails with in the end */
  async #ask<Answer>(
    what: { path: string; elsewhere: boolean; signal: AbortSignal | undefined },
    ask: (base: string) => Promise<Answer>,
  ): Promise<Answer> {
    const { path, elsewhere, signal } = what;
    for (let tries = 1; ; tries++) {
      const failures: HeadwaterError[] = [];
      for (const base of this.#basesFor(undefined, elsewhere)) {
        try {
          return await ask(base);
        } catch (error) {
          failures.push(this.#note(error, base, path));
        }
      }
      await this.#waitOrGiveUp(tries, mostTelling(failures), signal);
    }
  }

  /** The addresses to ask for a file, in order: first the one whose bytes are here. */
  #basesFor(origin: FileOrigin | undefined, elsewhere: boolean): string[] {
    const bases = this.#bases.inOrder();
    const [first, ...others] = bases;
    if (origin !== undefined && bases.includes(origin.base)) {
      return [origin.base, ...bases.filter((base) => base !== origin.base)];
    }
    return elsewhere && first !== undefined ? [...others, first] : bases;
  }

  async #get(
    base: string,
    path: string,
    headers: Record<string, string>,
    signal: AbortSignal | undefined,
  ): Promise<Dispatcher.ResponseData> {
    const response = await this.#requests.get(base, path, headers, signal);
    this.#bases.answered(base);
    return response;
  }

  /** Remembers that an address failed. @throws HeadwaterError `aborted` when nobody waits any more */
  #note(error: unknown, base: string, path: string): HeadwaterError {
    const failure = requestError(error, path);
    if (failure.kind === 'aborted') throw failure;
    this.#bases.failed(base, failure);
    return failure;
  }

  /** @throws the failure when it will not pass, or was met often enough */
  async #waitOrGiveUp(
    tries: number,
    failure: HeadwaterError,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (failure.kind !== 'unavailable' || tries >= this.#backoff.attempts) throw failure;
    this.#options.onRetry?.(failure.message);
    const wanted = failure instanceof Passing ? failure.after : undefined;
    await sleep(delayBefore(tries, this.#backoff, wanted), undefined, { signal });
  }
}

function incomplete(path: string, came: number, size: number): HeadwaterError {
  return new HeadwaterError('unavailable', `${path}: the upstream sent ${came} bytes of ${size}`);
}

function originOf(response: Dispatcher.ResponseData, base: string): FileOrigin | undefined {
  const validator = validatorOf(response);
  return validator === undefined ? undefined : { base, validator };
}

function either(one: AbortSignal | undefined, other: AbortSignal | undefined): AbortSignal | undefined {
  // Mostly they are the same, and making one of two costs as much as the rest of a small request.
  if (one === other) return one;
  return one !== undefined && other !== undefined ? AbortSignal.any([one, other]) : (one ?? other);
}
