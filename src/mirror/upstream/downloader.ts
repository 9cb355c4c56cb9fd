import { setTimeout as sleep } from 'node:timers/promises';
import type { Dispatcher } from 'undici';
import { type Backoff, delayBefore } from '../../async/backoff.ts';
import { bytesOf } from '../../async/bytes-of.ts';
import { RateLimit } from '../../async/rate-limit.ts';
import type { HeadwaterError } from '../../errors.ts';
import { defined } from '../../model/defined.ts';
import { errorToReport, FallbackUrls } from './base-urls.ts';
import type { Validators } from './documents.ts';
import type { AddressRules } from './guarded-connect.ts';
import { requestError, TransientRefusal, type Upstream, UpstreamRequests } from './requests.ts';
import {
  bytesToSkip,
  incomplete,
  orDiscard,
  rangeFrom,
  readBody,
  tooLong,
  validatorOf,
  validatorsOf,
} from './responses.ts';

const defaultBackoff: Backoff = { attempts: 6, firstDelay: 500, longestDelay: 30_000 };

/** A file of an upstream. */
export interface UpstreamFile {
  /** Relative to the address, validated (`simplestreams/read/path.ts`). */
  path: string;
  /** Bytes. */
  size: number;
}

/** Which bytes of a file have arrived already. */
export interface Beginning {
  /** Bytes. */
  offset: number;
  /** Which file they come from, when known. */
  origin?: FileOrigin;
}

/** The address and state of a file that bytes come from, for a request that resumes it. */
export interface FileOrigin {
  base: string;
  /** A strong ETag, or the time of the last change. */
  validator: string;
}

export interface ReadOptions extends Partial<Beginning> {
  signal?: AbortSignal;
  /** Try the first address last: what it sent was wrong. */
  elsewhere?: boolean;
  /** Called with the origin of the bytes before they come. Must not fail. */
  onOrigin?: (origin: FileOrigin) => Promise<void>;
}

export interface DownloaderOptions {
  signal?: AbortSignal;
  /** Called with the reason when a request is repeated. */
  onRetry?: (reason: string) => void;
  /** Called with the path of each downloaded file, and the address of its last bytes. */
  onServed?: (path: string, base: string) => void;
  backoff?: Backoff;
  /** Milliseconds without a byte after which an answer counts as broken. */
  idle?: number;
  /** How host names are resolved and judged; the system's way by default. */
  addresses?: AddressRules;
}

/** Downloads documents and files of an upstream, with retries and fallback addresses. */
export class Downloader {
  readonly #urls: FallbackUrls;
  readonly #options: DownloaderOptions;
  readonly #backoff: Backoff;
  readonly #requests: UpstreamRequests;
  readonly #rateLimit: RateLimit | undefined;

  constructor(upstream: Upstream, options: DownloaderOptions = {}) {
    this.#urls = new FallbackUrls(upstream.bases);
    this.#options = options;
    this.#backoff = options.backoff ?? defaultBackoff;
    this.#requests = new UpstreamRequests(upstream, options);
    if (upstream.bandwidth !== undefined) this.#rateLimit = new RateLimit(upstream.bandwidth);
  }

  /**
   * Downloads a document, unless it has not changed since `known`.
   * @param options.exclude addresses that are not asked
   * @returns the document, with the address that it came from
   * @throws HeadwaterError `not-found`; `invalid`; `unavailable` when the upstream cannot be reached
   */
  async document(
    path: string,
    known: Validators = {},
    { exclude }: { exclude?: ReadonlySet<string> } = {},
  ): Promise<{ changed: false } | { changed: true; bytes: Buffer; validators: Validators; base: string }> {
    const headers = defined({ 'if-none-match': known.etag, 'if-modified-since': known.lastModified });
    const { signal } = this.#options;
    const bases = () => this.#basesFor(undefined, false).filter((base) => exclude?.has(base) !== true);
    return await this.#ask({ path, bases, signal }, async (base) => {
      const response = await this.#get(base, path, headers, signal);
      if (response.statusCode === 304) {
        await response.body.dump();
        return { changed: false };
      }
      const bytes = await readBody(response, path);
      return { changed: true, bytes, validators: validatorsOf(response), base };
    });
  }

  /**
   * Downloads a small file into memory.
   * @param options.onReceived called with the number of bytes that arrived, also of failed attempts
   * @throws HeadwaterError as {@link read}
   */
  async bytes(
    { path, size }: UpstreamFile,
    options: Pick<ReadOptions, 'signal' | 'elsewhere'> & { onReceived?: (bytes: number) => void } = {},
  ): Promise<Buffer> {
    const { elsewhere = false, onReceived } = options;
    const signal = either(options.signal, this.#options.signal);
    const limit = { bytes: size, error: () => tooLong(path, size) };
    const bases = () => this.#basesFor(undefined, elsewhere);
    return await this.#ask({ path, bases, signal }, async (base) => {
      const answer = await this.#requests.collect(base, path, {
        limit,
        ...defined({ signal, onReceived }),
      });
      this.#urls.answered(base);
      bytesToSkip(answer, { path, size, at: 0 }, undefined);
      const { bytes } = answer;
      await this.#rateLimit?.take(bytes.length, signal);
      if (bytes.length < size) throw incomplete(path, bytes.length, size);
      this.#options.onServed?.(path, base);
      return bytes;
    });
  }

  /**
   * The bytes of a file. A broken connection is resumed where it broke, invisibly to the reader.
   * @throws HeadwaterError `not-found`; `invalid` (`WrongBytes`) when it is not the announced file;
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
          for await (const chunk of bytesOf(response.body)) {
            const fresh = chunk.subarray(skip);
            skip -= chunk.length - fresh.length;
            if (fresh.length === 0) continue;
            if (at + fresh.length > size) throw tooLong(path, size);
            await this.#rateLimit?.take(fresh.length, signal);
            at += fresh.length;
            yield fresh;
          }
          if (at < size) throw incomplete(path, at, size);
          this.#options.onServed?.(path, base);
          return;
        } catch (error) {
          failures.push(this.#note(error, base, path));
          // An address that sent some of the file may send the rest.
          if (at > before) break;
        }
      }
      if (at > before) tries = 1;
      await this.#waitOrGiveUp(tries, errorToReport(failures), signal);
    }
  }

  async close(): Promise<void> {
    await this.#requests.close();
  }

  /** Asks each address in turn, and repeats that with backoff. @throws the last failure of `ask` */
  async #ask<Answer>(
    what: { path: string; bases: () => string[]; signal: AbortSignal | undefined },
    ask: (base: string) => Promise<Answer>,
  ): Promise<Answer> {
    const { path, bases, signal } = what;
    for (let tries = 1; ; tries++) {
      const failures: HeadwaterError[] = [];
      for (const base of bases()) {
        try {
          return await ask(base);
        } catch (error) {
          failures.push(this.#note(error, base, path));
        }
      }
      await this.#waitOrGiveUp(tries, errorToReport(failures), signal);
    }
  }

  /** The addresses to ask for a file, in order: first the one that sent the bytes so far. */
  #basesFor(origin: FileOrigin | undefined, elsewhere: boolean): string[] {
    const bases = this.#urls.inOrder();
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
    this.#urls.answered(base);
    return response;
  }

  /** Records that an address failed. @throws HeadwaterError `aborted` after an abort */
  #note(error: unknown, base: string, path: string): HeadwaterError {
    const failure = requestError(error, path);
    if (failure.kind === 'aborted') throw failure;
    this.#urls.failed(base, failure);
    return failure;
  }

  /** Waits before the next attempt. @throws the failure when it is permanent, or no attempt is left */
  async #waitOrGiveUp(tries: number, failure: HeadwaterError, signal?: AbortSignal): Promise<void> {
    if (failure.kind !== 'unavailable' || tries >= this.#backoff.attempts) throw failure;
    this.#options.onRetry?.(failure.message);
    const wanted = failure instanceof TransientRefusal ? failure.after : undefined;
    await sleep(delayBefore(tries, this.#backoff, wanted), undefined, { signal });
  }
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
